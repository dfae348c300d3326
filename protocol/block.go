package protocol

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// BlockHeaderSize is the length in bytes of a block's fixed header.
const BlockHeaderSize = 40

// blockMagic starts every block, on disk and on the wire.
const blockMagic = 0x554d4731 // "UMG1"

// Codec says how a block's payload is compressed.
type Codec uint8

// The codecs. A reader refuses others. The writer chooses for each block: zstd
// makes the smallest, S2 takes a quarter of the time.
const (
	CodecNone Codec = 0
	CodecZstd Codec = 1
	CodecS2   Codec = 2
)

// Block is the unit that is stored, sent and acknowledged: the events of one
// group commit, encoded once and immutable ever after. The same bytes lie in
// the agent's buffer and go over the wire.
type Block struct {
	Epoch   uint64 // minted with the agent's buffer directory
	Seq     uint64 // contiguous from 1 within an epoch
	Count   int    // events
	RawLen  int    // bytes of the payload before compression
	Codec   Codec
	Payload []byte // the compressed msgpack array of events
}

// AppendBlock appends the header and the payload of b to dst. The header ends
// in a CRC-32C over everything else.
func AppendBlock(dst []byte, b *Block) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, blockMagic)
	dst = append(dst, Version, byte(frameBlock), byte(b.Codec), 0)
	dst = binary.BigEndian.AppendUint64(dst, b.Epoch)
	dst = binary.BigEndian.AppendUint64(dst, b.Seq)
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.Count))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.RawLen))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(b.Payload)))
	sum := blockSum(dst[at:], b.Payload)
	dst = binary.BigEndian.AppendUint32(dst, sum)
	return append(dst, b.Payload...)
}

// blockSum is the checksum of a header without its last four bytes, and the
// payload.
func blockSum(header, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // the package keeps this one ready made
	return crc32.Update(crc32.Update(0, table, header), table, payload)
}

// ParseBlock decodes the bytes of AppendBlock. The payload shares data.
func ParseBlock(data []byte) (Block, error) {
	b, n, err := parseBlockHeader(data)
	if err != nil {
		return Block{}, err
	}
	if len(data) != BlockHeaderSize+n {
		return Block{}, fmt.Errorf("%w: block of %d bytes, header says %d", ErrMalformed, len(data), BlockHeaderSize+n)
	}
	b.Payload = data[BlockHeaderSize:]
	return b, checkBlockSum(data[:BlockHeaderSize], b.Payload)
}

// BlockBegin is how every block begins: what to look for in bytes that may hold
// blocks.
func BlockBegin() []byte { return []byte{'U', 'M', 'G', '1', Version, byte(frameBlock)} }

// BlockLength returns how many bytes the block takes that begins with this header;
// it looks at no more than BlockHeaderSize bytes of it. Only ParseBlock says
// whether the block is whole.
func BlockLength(header []byte) (int, error) {
	_, n, err := parseBlockHeader(header)
	return BlockHeaderSize + n, err
}

// ReadBlock reads one block from a stream, never more than the limits allow.
func ReadBlock(r io.Reader) (Block, error) {
	b, _, err := ReadBlockWithin(r, func(int) bool { return true })
	return b, err
}

// ReadBlockWithin reads one block from a stream, but asks reserve, once the
// header is known, for the bytes that reading and decoding it will take. If that
// answers false, nothing more is read, and the block returned has everything but
// its payload.
func ReadBlockWithin(r io.Reader, reserve func(bytes int) bool) (b Block, ok bool, err error) {
	var header [BlockHeaderSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Block{}, false, fmt.Errorf("read block header: %w", err)
	}
	b, n, err := parseBlockHeader(header[:])
	if err != nil {
		return Block{}, false, err
	}
	if !reserve(b.Cost(n)) {
		return b, false, nil
	}
	b.Payload = make([]byte, n)
	if _, err := io.ReadFull(r, b.Payload); err != nil {
		return Block{}, true, fmt.Errorf("read block payload: %w", err)
	}
	return b, true, checkBlockSum(header[:], b.Payload)
}

// Cost is how many bytes of memory a block with a payload of so many bytes takes
// until its events are stored: the payload, its contents as bytes and as
// strings, and the events.
func (b *Block) Cost(payload int) int {
	return payload + 2*b.RawLen + b.Count*int(unsafe.Sizeof(Event{}))
}

func parseBlockHeader(h []byte) (b Block, payloadLen int, err error) {
	if len(h) < BlockHeaderSize {
		return b, 0, fmt.Errorf("%w: block of %d bytes is shorter than its header", ErrMalformed, len(h))
	}
	if m := binary.BigEndian.Uint32(h); m != blockMagic {
		return b, 0, fmt.Errorf("%w: block starts with 0x%08x", ErrMalformed, m)
	}
	if h[4] != Version {
		return b, 0, fmt.Errorf("%w: block of protocol version %d, this side speaks %d", ErrVersion, h[4], Version)
	}
	if frameType(h[5]) != frameBlock {
		return b, 0, fmt.Errorf("%w: frame type %d where a block was wanted", ErrMalformed, h[5])
	}
	b.Codec = Codec(h[6])
	b.Epoch = binary.BigEndian.Uint64(h[8:])
	b.Seq = binary.BigEndian.Uint64(h[16:])
	count, raw, payload := binary.BigEndian.Uint32(h[24:]), binary.BigEndian.Uint32(h[28:]), binary.BigEndian.Uint32(h[32:])
	switch {
	case b.Codec > CodecS2:
		return b, 0, fmt.Errorf("%w: unknown codec %d", ErrMalformed, b.Codec)
	case count == 0 || count > MaxBlockEvents:
		return b, 0, fmt.Errorf("%w: block of %d events, limit %d", ErrMalformed, count, MaxBlockEvents)
	case raw > MaxBlockRaw:
		return b, 0, fmt.Errorf("%w: block of %d bytes uncompressed, limit %d", ErrMalformed, raw, MaxBlockRaw)
	case payload == 0 || payload > MaxBlockPayload:
		return b, 0, fmt.Errorf("%w: block payload of %d bytes, limit %d", ErrMalformed, payload, MaxBlockPayload)
	}
	b.Count, b.RawLen = int(count), int(raw)
	return b, int(payload), nil
}

func checkBlockSum(header, payload []byte) error {
	want := binary.BigEndian.Uint32(header[BlockHeaderSize-4:])
	if got := blockSum(header[:BlockHeaderSize-4], payload); got != want {
		return fmt.Errorf("%w: block checksum %08x, its bytes give %08x", ErrMalformed, want, got)
	}
	return nil
}

// Compressor makes and opens block payloads. It is safe for concurrent use.
type Compressor struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// NewCompressor returns a compressor that never inflates beyond MaxBlockRaw.
func NewCompressor() (*Compressor, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
		zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxBlockRaw), zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxWindow(MaxBlockRaw))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	return &Compressor{enc: enc, dec: dec}, nil
}

// Compress appends the zstd form of raw to dst.
func (c *Compressor) Compress(dst, raw []byte) []byte { return c.enc.EncodeAll(raw, dst) }

// CompressFast returns the S2 form of raw, in the memory of dst if that is
// enough.
func (c *Compressor) CompressFast(dst, raw []byte) []byte { return s2.Encode(dst[:cap(dst)], raw) }

// Raw returns the block's payload uncompressed. A payload that is longer or
// shorter than its header says is malformed.
func (c *Compressor) Raw(b *Block) ([]byte, error) {
	raw := b.Payload
	var err error
	switch b.Codec {
	case CodecZstd:
		raw, err = c.dec.DecodeAll(b.Payload, make([]byte, 0, b.RawLen))
	case CodecS2:
		raw, err = decodeS2(b)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: decompress block: %v", ErrMalformed, err)
	}
	if len(raw) != b.RawLen {
		return nil, fmt.Errorf("%w: block of %d bytes uncompressed, header says %d", ErrMalformed, len(raw), b.RawLen)
	}
	return raw, nil
}

// decodeS2 looks at the length that the payload declares before it makes room
// for it.
func decodeS2(b *Block) ([]byte, error) {
	n, err := s2.DecodedLen(b.Payload)
	if err != nil {
		return nil, err
	}
	if n != b.RawLen {
		return nil, fmt.Errorf("%d bytes declared, %d in the header", n, b.RawLen)
	}
	return s2.Decode(make([]byte, n), b.Payload)
}

// Events decodes the events of a block and checks their number.
func (c *Compressor) Events(b *Block) ([]Event, error) {
	raw, err := c.Raw(b)
	if err != nil {
		return nil, err
	}
	events, err := DecodeEvents(raw)
	if err != nil {
		return nil, err
	}
	if len(events) != b.Count {
		return nil, fmt.Errorf("%w: block of %d events, header says %d", ErrMalformed, len(events), b.Count)
	}
	return events, nil
}
