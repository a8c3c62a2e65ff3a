-- One request as format 3 of the journal held it, between two attempts. It must load for ever.
INSERT INTO event (request, at, body) VALUES
 ('0198c0de-1111-7222-8333-44445555cccc', '2026-11-21T08:00:00.000Z', '{"ev":"seen","path":"requests/c.yml","blob":"b","introduced":"c","base":"c"}'),
 ('0198c0de-1111-7222-8333-44445555cccc', '2026-11-21T08:00:01.000Z', '{"ev":"claim","nonce":"n","commit":"k","locks":{"host/a":"l"}}'),
 ('0198c0de-1111-7222-8333-44445555cccc', '2026-11-21T08:00:02.000Z', '{"ev":"claimed","tip":"t"}'),
 ('0198c0de-1111-7222-8333-44445555cccc', '2026-11-21T08:00:03.000Z', '{"ev":"start","attempt":1,"nonce":"n","commit":"c","place":"c","boot":"x","kind":"deploy"}'),
 ('0198c0de-1111-7222-8333-44445555cccc', '2026-11-21T08:00:04.000Z', '{"ev":"exit","attempt":1,"outcome":"failed","exit_code":75,"reason":"exit 75","terminal":false,"retry_at":"2026-11-21T08:01:00.000Z","log_sha256":null}');
INSERT INTO request (id, path, blob, introduced, queued_at, kind, place, phase, state, changed_at) VALUES
 ('0198c0de-1111-7222-8333-44445555cccc', 'requests/c.yml', 'b', 'c', '2026-11-21T08:00:00.000Z', 'deploy', 'c', 'retrying',
  '{"phase":"retrying","attempt":1,"commit":"c","place":"c","due":"2026-11-21T08:01:00.000Z"}', '2026-11-21T08:00:04.000Z');
PRAGMA user_version = 3;
