-- What a Worker found when it last examined its machine, and when somebody asked it to do so.

ALTER TABLE workers
    -- JSON.
    ADD COLUMN findings text,
    ADD COLUMN examined_at timestamptz,
    ADD COLUMN examination_asked_at timestamptz;
