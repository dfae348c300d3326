/** Tables as files for spreadsheets: RFC 4180, and no cell that a spreadsheet would run as a formula. */

function cell(value: string): string {
  const safe = /^[=+@\t\r]/.test(value) || (value.startsWith('-') && !/^-\d+(\.\d+)?$/.test(value)) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv(rows: readonly (readonly (string | null | undefined)[])[]): string {
  return rows.map((row) => row.map((value) => cell(value ?? '')).join(',')).join('\r\n') + '\r\n';
}

/** Saves a text as a file of the reader's. */
export function saveFile(content: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
