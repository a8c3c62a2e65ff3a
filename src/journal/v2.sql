-- One request as format 2 of the journal held it, in the first action after its success. It must load for ever.
INSERT INTO event (request, at, body) VALUES
 ('0198c0de-1111-7222-8333-44445555bbbb', '2026-11-21T08:00:00.000Z', '{"ev":"seen","path":"requests/b.yml","blob":"b","introduced":"c","base":"c"}'),
 ('0198c0de-1111-7222-8333-44445555bbbb', '2026-11-21T08:00:01.000Z', '{"ev":"start","attempt":1,"nonce":"n","commit":"c","place":"b","boot":"x","publish":"tail"}'),
 ('0198c0de-1111-7222-8333-44445555bbbb', '2026-11-21T08:00:02.000Z', '{"ev":"passed","attempt":1,"exit_code":0,"actions":["reload"]}'),
 ('0198c0de-1111-7222-8333-44445555bbbb', '2026-11-21T08:00:03.000Z', '{"ev":"action_start","number":1,"name":"reload","boot":"x"}');
INSERT INTO request (id, path, blob, introduced, queued_at, kind, place, phase, state, changed_at) VALUES
 ('0198c0de-1111-7222-8333-44445555bbbb', 'requests/b.yml', 'b', 'c', '2026-11-21T08:00:00.000Z', 'deploy', 'b', 'acting',
  '{"phase":"acting","attempt":1,"commit":"c","place":"b","actions":["reload"],"ended":0,"now":"running"}', '2026-11-21T08:00:03.000Z');
PRAGMA user_version = 2;
