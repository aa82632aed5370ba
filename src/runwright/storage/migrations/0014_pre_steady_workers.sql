-- Since when a Worker has been heard of without a gap; one that was cut off judges nobody else at once.

ALTER TABLE workers ADD COLUMN steady_since timestamptz NOT NULL DEFAULT '-infinity';
