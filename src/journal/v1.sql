-- One request as format 1 of the journal held it, started and not ended. It must load for ever.
INSERT INTO event (request, at, body) VALUES
 ('0198c0de-1111-7222-8333-44445555aaaa', '2026-11-21T08:00:00.000Z', '{"ev":"seen","path":"requests/a.yml","blob":"b","introduced":"c","base":"c"}'),
 ('0198c0de-1111-7222-8333-44445555aaaa', '2026-11-21T08:00:01.000Z', '{"ev":"start","attempt":1,"nonce":"n","commit":"c","place":"a","boot":"x"}');
INSERT INTO request (id, path, blob, introduced, queued_at, kind, place, phase, state, changed_at) VALUES
 ('0198c0de-1111-7222-8333-44445555aaaa', 'requests/a.yml', 'b', 'c', '2026-11-21T08:00:00.000Z', 'deploy', 'a', 'running',
  '{"phase":"running","attempt":1,"commit":"c","place":"a"}', '2026-11-21T08:00:01.000Z');
PRAGMA user_version = 1;
