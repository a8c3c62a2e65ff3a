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
--- again off
