-- Which batches were announced to the queue between machines and not claimed since. Not kept when a claim, of whatever
-- kind, takes the batch; without such a queue always null, and the index empty.
ALTER TABLE batch ADD COLUMN announced_at timestamptz;
CREATE INDEX batch_announced ON batch (lane) WHERE announced_at IS NOT NULL;
