`--version` prints the version alone.
--- run
dispatch --version | grep -Ec '^[0-9]+\.[0-9]+\.[0-9]+$'
dispatch --version | wc -l
--- stdout
1
1
--- again off
