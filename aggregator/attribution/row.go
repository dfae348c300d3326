package attribution

// Row is an attribution as it is stored, one for each conversion.
type Row struct {
	Conversion Conversion
	Result     Result
	Version    uint64 // of Result.Version
}

// Stamp holds the fields of a stored row that tell whether it still matches its inputs.
type Stamp struct {
	Version     uint64
	InputDigest uint64
}

// Generation returns the settings generation of a version.
func Generation(version uint64) uint64 { return version >> 40 }
