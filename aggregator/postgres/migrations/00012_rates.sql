-- +goose Up

-- Exchange rates of days: one unit of base is rate units of quote. Reports convert with them; what is
-- stored of events keeps the currency it came in.
CREATE TABLE rates (
    day   date NOT NULL,
    base  text NOT NULL CHECK (base ~ '^[A-Z]{3}$'),
    quote text NOT NULL CHECK (quote ~ '^[A-Z]{3}$' AND quote <> base),
    rate  numeric(30, 18) NOT NULL CHECK (rate > 0),
    PRIMARY KEY (day, base, quote)
);

-- +goose Down
DROP TABLE rates;
