package warehouse

import (
	"errors"

	"github.com/ClickHouse/clickhouse-go/v2"
	chcolumn "github.com/ClickHouse/clickhouse-go/v2/lib/column"
)

// permanent reports whether the server, or the encoder, refused the rows for their
// content, so that sending them again cannot help. It knows few codes:
// on any doubt the answer is to try again, for a row that is refused wrongly is
// a row lost.
func permanent(err error) bool {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		switch exception.Code {
		case 6, // CANNOT_PARSE_TEXT
			69,  // ARGUMENT_OUT_OF_BOUND
			117, // INCORRECT_DATA
			131, // TOO_LARGE_STRING_SIZE
			321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
			407, // DECIMAL_OVERFLOW
			469: // VIOLATED_CONSTRAINT
			return true
		}
		return false
	}
	var conversion *chcolumn.ColumnConverterError
	return errors.As(err, &conversion)
}

// maxReason bounds the reason that is kept with a quarantined event.
const maxReason = 500

func reason(err error) string {
	text := err.Error()
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		text = exception.Message
	}
	return text[:min(len(text), maxReason)]
}
