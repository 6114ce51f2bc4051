-- From 0.66 on withcache holds the catalog.
DROP TABLE catalog_entries;
UPDATE bty_version SET version = '0.77.2';
