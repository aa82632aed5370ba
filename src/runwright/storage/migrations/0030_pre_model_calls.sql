-- What Runs use of language models through the gateway, and what it costs.

-- Requests that are under way.
CREATE TABLE model_calls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The Run it is counted on: that of a check or create is what they are a part of.
    run_id text NOT NULL,
    project_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    -- The name in the price table; null: it has no price.
    price_name text,
    -- In UTC, when it began.
    day date NOT NULL,
    -- What it may cost at the most, as far as that can be told.
    reserved_usd numeric NOT NULL,
    -- What has been used so far, as far as that is known: what counts if nobody says how it ended.
    is_failed boolean NOT NULL DEFAULT false,
    is_estimated boolean NOT NULL DEFAULT true,
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL DEFAULT 0,
    written_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    usd numeric NOT NULL,
    -- The server that passes it on says again and again that it does.
    held_until timestamptz NOT NULL
);

CREATE TABLE model_usage (
    run_id text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    provider text NOT NULL,
    model text NOT NULL,
    calls integer NOT NULL,
    failed_calls integer NOT NULL,
    estimated_calls integer NOT NULL,
    unpriced_calls integer NOT NULL,
    input_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    written_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    usd numeric NOT NULL,
    PRIMARY KEY (run_id, provider, model)
);

-- Apart from the Runs, which may go sooner.
CREATE TABLE model_spending (
    day date NOT NULL,
    project_id uuid NOT NULL,
    usd numeric NOT NULL,
    PRIMARY KEY (day, project_id)
);
