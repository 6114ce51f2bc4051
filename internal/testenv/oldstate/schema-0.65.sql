-- The tables of the previous system, releases 0.58 to 0.65.
CREATE TABLE machines (
    mac TEXT PRIMARY KEY,
    bty_image_ref TEXT,
    discovered_at TEXT,
    last_seen_at TEXT,
    last_seen_ip TEXT,
    boot_mode TEXT NOT NULL DEFAULT 'ipxe-exit',
    sanboot_drive TEXT,
    last_flashed_at TEXT,
    saw_flasher_boot INTEGER NOT NULL DEFAULT 0,
    known_disks TEXT,
    known_disks_at TEXT,
    hw_lshw TEXT,
    hw_lshw_at TEXT,
    target_disk_serial TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE machine_labels (mac TEXT NOT NULL, label TEXT NOT NULL, PRIMARY KEY (mac, label));
CREATE INDEX machine_labels_label_idx ON machine_labels(label);
CREATE TABLE catalog_entries (
    bty_image_ref TEXT PRIMARY KEY,
    src TEXT NOT NULL UNIQUE,
    resolved_src TEXT,
    disk_image_sha TEXT,
    name TEXT NOT NULL,
    sha_url TEXT,
    format TEXT,
    size_bytes INTEGER,
    description TEXT,
    added_at TEXT NOT NULL
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ts TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject_kind TEXT,
    subject_id TEXT,
    actor TEXT,
    source_ip TEXT,
    summary TEXT NOT NULL,
    details TEXT,
    acknowledged INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX events_ts_idx ON events(ts);
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL, updated_at TEXT NOT NULL);
CREATE TABLE bty_version (version TEXT NOT NULL PRIMARY KEY);
INSERT INTO bty_version VALUES ('0.65.4');
