-- What the legacy entry tells of an asynchronous call besides its answer. All null for calls over REST but
-- for finished_ms, which is null for answers from before this column.
ALTER TABLE api_record ADD COLUMN message TEXT;        -- the class of the message
ALTER TABLE api_record ADD COLUMN created_ms INTEGER;  -- when it came
ALTER TABLE api_record ADD COLUMN finished_ms INTEGER; -- when its answer was there
