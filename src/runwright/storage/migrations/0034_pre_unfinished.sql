-- The sweep that every Worker makes every few seconds looks at what is not terminal, and at nothing else.
CREATE INDEX runs_unfinished ON runs (id)
    WHERE status IN ('pending', 'started') AND parent_id IS NULL AND turn IS NOT NULL;
