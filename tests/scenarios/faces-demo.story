`demo` makes its own origin and clone, shows every outcome, and ends with 0.
--- run
cd "$STORY/tmp"
dispatch demo 2>&1
--- stdout has
succeeded
--- stdout has
timed_out
--- stdout has
rejected
--- stdout has
refused: a key of yours
refused: writing beside it
refused: writing into the repository
refused: the processes of this machine
refused: another user's rights
--- stdout lacks
reached:
--- run
cd "$STORY/tmp"
dispatch demo --level confined 2>&1
--- stdout has
refused: a key of yours
refused: writing beside it
refused: writing into the repository
refused: the processes of this machine
refused: another user's rights
--- stdout lacks
reached:
--- run
cd "$STORY/tmp"
dispatch demo --level none 2>&1
--- stdout has
reached: a key of yours
refused: writing beside it
reached: the processes of this machine
--- again off
