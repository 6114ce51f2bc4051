-- A site: two images, and a machine in each state that the previous system tells apart.
INSERT INTO catalog_entries VALUES
  ('8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', 'https://example.com/foo.img.gz', 'https://example.com/foo.img.gz',
   'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'foo.img.gz', NULL, 'img.gz', 1024, 'the foo', '2026-06-01T10:00:00.000001+00:00'),
  ('ecfc56475d8b8affa67d7c6d1297b48b8b2f5c5494b45c8d153e56f608037e7c', 'oras://ghcr.io/safl/nosi/debian-sysdev:latest', NULL,
   NULL, 'debian-sysdev-x86_64', NULL, 'img.gz', NULL, NULL, '2026-06-01T10:00:01+00:00');

INSERT INTO machines (mac, boot_mode, bty_image_ref, target_disk_serial, sanboot_drive, saw_flasher_boot, last_flashed_at, known_disks, known_disks_at,
                      hw_lshw, hw_lshw_at, discovered_at, last_seen_at, last_seen_ip, created_at, updated_at) VALUES
  -- exit, exit with a drive and an image
  ('52:54:00:00:01:01', 'ipxe-exit', NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:01:02', 'ipxe-exit', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', NULL, '0x81', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  -- wizard
  ('52:54:00:00:02:01', 'bty-tui', NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  -- inventory: new, started, done
  ('52:54:00:00:03:01', 'bty-inventory', NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-20T08:00:00.5+00:00', '192.0.2.31', '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:03:02', 'bty-inventory', NULL, NULL, NULL, 1, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-20T08:00:00+00:00', '192.0.2.32', '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:03:03', 'bty-inventory', NULL, NULL, NULL, 1, NULL,
   '[{"path": "/dev/sda", "size": "931.5G", "vendor": "ATA", "model": "Disk", "serial": "S33", "tran": "sata", "removable": false, "readonly": false}]', '2026-06-20T09:00:00+00:00',
   '{"id": "host", "vendor": "Dell Inc.", "product": "R640"}', '2026-06-20T09:00:00+00:00', '2026-06-01T11:00:00+00:00', '2026-06-20T09:00:00+00:00', '192.0.2.33', '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  -- flash once: pending, started, done; the last with the digest, the one before without
  ('52:54:00:00:04:01', 'bty-flash-once', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', 'S41', NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:04:02', 'bty-flash-once', 'ecfc56475d8b8affa67d7c6d1297b48b8b2f5c5494b45c8d153e56f608037e7c', 'S42', NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:04:03', 'bty-flash-once', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', 'S43', '0x82', 1, '2026-06-20T10:00:00.123456+00:00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  -- flash always: ready (flashed in a cycle that is over), started, done, started again after a completion
  ('52:54:00:00:05:01', 'bty-flash-always', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', 'S51', NULL, 0, '2026-06-20T10:00:00+00:00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:05:02', 'bty-flash-always', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', 'S52', NULL, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:05:03', 'bty-flash-always', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', 'S53', NULL, 1, '2026-06-20T10:00:00+00:00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:05:04', 'bty-flash-always', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', 'S54', NULL, 1, '2026-06-20T10:00:00+00:00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  -- flash without a disk, with an image that is in no catalog, without an image
  ('52:54:00:00:06:01', 'bty-flash-always', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', '', NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:06:02', 'bty-flash-once', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 'S62', NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  ('52:54:00:00:06:03', 'bty-flash-once', NULL, 'S63', NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00'),
  -- ramboot
  ('52:54:00:00:07:01', 'ramboot', '8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe', NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2026-06-01T11:00:00+00:00', '2026-06-01T11:00:00+00:00');

INSERT INTO machine_labels VALUES
  ('52:54:00:00:03:03', 'rack 3'), ('52:54:00:00:03:03', 'GPU'), ('52:54:00:00:03:03', 'a.b-c_d'), ('52:54:00:00:04:01', 'spare');

-- The bit of 05:03 was set before its completion, that of 05:04 after it.
INSERT INTO events (ts, kind, subject_kind, subject_id, actor, source_ip, summary, details) VALUES
  ('2026-06-20T09:50:00+00:00', 'netboot.flasher.armed', 'machine', '52:54:00:00:05:03', 'pxe-client', NULL, 'saw_flasher_boot', NULL),
  ('2026-06-20T09:50:00+00:00', 'netboot.flasher.armed', 'machine', '52:54:00:00:05:04', 'pxe-client', NULL, 'saw_flasher_boot', NULL),
  ('2026-06-21T09:50:00+00:00', 'netboot.flasher.armed', 'machine', '52:54:00:00:05:04', 'pxe-client', NULL, 'saw_flasher_boot', NULL),
  ('2026-06-20T10:00:00+00:00', 'machine.flashed', 'machine', '52:54:00:00:05:03', 'pxe-client', '192.0.2.53', 'flashed', NULL),
  ('2026-06-21T12:00:00+00:00', 'auth.login.succeeded', 'auth', 'operator', 'operator', '192.0.2.1', 'signed in', NULL);

INSERT INTO settings VALUES
  ('display.timezone', 'Europe/Copenhagen', '2026-06-01T11:00:00+00:00'),
  ('backup.enabled', '1', '2026-06-01T11:00:00+00:00'),
  ('backup.cadence', 'weekly', '2026-06-01T11:00:00+00:00'),
  ('backup.retention_count', '14', '2026-06-01T11:00:00+00:00'),
  ('backup.last_run_at', '2026-06-20T03:00:00.000001+00:00', '2026-06-01T11:00:00+00:00'),
  ('upstream.catalog_url', 'https://images.example/catalog.toml', '2026-06-01T11:00:00+00:00'),
  ('ramboot.overlay_size', '20G', '2026-06-01T11:00:00+00:00'),
  ('ramboot.extra_cmdline', 'debug', '2026-06-01T11:00:00+00:00');
