-- Room on its page for all three versions that a job has from its submission to its end: waiting, running, ended. While
-- another client holds a transaction open no version is taken away, and the third one would go to another page, with an
-- entry in each of the eleven indexes.

ALTER TABLE job SET (fillfactor = 34);
