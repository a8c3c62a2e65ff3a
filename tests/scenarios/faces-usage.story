A wrong word on the command line ends with 2 and names the nearest verb.
--- run 2
dispatch statsu
--- stderr has
status
--- again off
