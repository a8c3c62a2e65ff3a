An untracked dispatcher.env in the work tree names the author of the records; an empty value counts as unset.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh
#!/bin/sh
--- file .gitignore
dispatcher.env
--- file requests/a.yml
kind: greet
--- run
printf 'GIT_USER_NAME=Robot\nGIT_USER_EMAIL=robot@example.com\nGITHUB_TOKEN=\n' > dispatcher.env
dispatch run
origin log -1 --format='%an <%ae>'
--- stdout has
Robot <robot@example.com>
--- run
printf 'kind: greet\n# two\n' > two.yml; mkdir -p requests; mv two.yml requests/two.yml
merge two
printf 'GIT_USER_NAME=\nGIT_USER_EMAIL=\n' > dispatcher.env
dispatch run
origin log -1 --format='%an <%ae>'
--- stdout has
Story Teller <story@example.com>
