-- Until 0.57 a machine had a host name and no labels.
DROP TABLE machine_labels;
ALTER TABLE machines ADD COLUMN hostname TEXT;
UPDATE bty_version SET version = '0.57.2';
