-- The job that makes an image, or made it; null where an earlier release began it. And exports of a copy in several
-- formats: export_url is the newest.

ALTER TABLE image ADD COLUMN job TEXT;
ALTER TABLE image_ref ADD COLUMN more_exports TEXT; -- JSON of further URLs with their MD5s; null where there are none
