-- The class of a duration, as `domain/insight/overview` has them, in one place for what is counted ahead and what is
-- counted at a look; -1 of a Run that never started or has not ended.
CREATE FUNCTION runwright_duration_class(
    started_at timestamptz, ended_at timestamptz, shortest double precision, steps integer, ratio double precision
) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN started_at IS NULL OR ended_at IS NULL THEN -1
        ELSE greatest(0, least(steps - 1,
            floor(ln(greatest(date_part('epoch', ended_at - started_at), shortest) / shortest) / ratio)))
    END::integer
$$;
