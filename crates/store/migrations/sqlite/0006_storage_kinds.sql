-- Storages that are no directory of one host: where the directory is, and how a pool is reached.

ALTER TABLE storage ADD COLUMN mount TEXT; -- null: url is the directory
ALTER TABLE storage ADD COLUMN pool  TEXT; -- JSON of CephPool; null for directories
