Outside a repository every verb that needs one ends with 78 and says what to do.
--- run 78
cd "$STORY/tmp"
dispatch run
--- stderr has
dispatch init
--- again off
