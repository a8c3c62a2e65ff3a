A report is a folder that is ours: made, brought up to date, refused where it is somebody else's, the same for the same input.
--- file handlers/index.yml
greet: handlers/greet.sh
--- file handlers/greet.sh 755
#!/bin/sh
echo hello
--- file requests/first.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000a
--- file requests/second.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000b
--- file requests/later.yml
kind: greet
id: 00000000-0000-4000-8000-00000000000c
not_before: 2999-01-01T00:00:00Z
--- run
dispatch run 2>/dev/null
git pull -q
dispatch report --html ../site
--- stdout
[STORY]/site/index.html
--- stderr
1 pending, 2 ended; pages: 7 made, 0 kept, 0 removed
--- run
dispatch report --html ../site
ls -a .. | grep site
ls ../site ../site/requests
--- stdout
[STORY]/site/index.html
site
../site:
history-kind-greet.html
history-outcome-succeeded.html
history.html
index.html
requests

../site/requests:
00000000-0000-4000-8000-00000000000a.html
00000000-0000-4000-8000-00000000000b.html
00000000-0000-4000-8000-00000000000c.html
--- stderr
1 pending, 2 ended; pages: 5 made, 2 kept, 0 removed
--- run
export SOURCE_DATE_EPOCH=1800000000
dispatch report --html ../one 2>/dev/null
dispatch report --html ../two 2>/dev/null
dispatch report --html ../two 2>/dev/null
diff -r ../one ../two
grep -c 'Made <time datetime="2027-01-15T08:00:00.000Z"' ../two/index.html
--- stdout
[STORY]/one/index.html
[STORY]/two/index.html
[STORY]/two/index.html
1
--- run
dispatch report --html ../site --most 1 --json
--- stdout has
"v": 1
"kept": 1
"removed": 1
"ended": 1
"left_out": "The 1 that ended last are here
--- run
dispatch report --html ../site --since 1ms
grep -o 'What ended in the last 1ms is here' ../site/history.html
--- stdout has
What ended in the last [DURATION] is here
--- run 73
mkdir ../mine
echo years > ../mine/thesis
dispatch report --html ../mine
--- stderr has
holds files and is no earlier report
hint: name a folder that is empty
--- run
cat ../mine/thesis
ls -a ../mine ..| grep dispatch-report || echo nothing left
--- stdout
years
nothing left
--- run 2
dispatch report --html ../site --most 0
--- run 78
SOURCE_DATE_EPOCH=today dispatch report --html ../site
--- stderr has
SOURCE_DATE_EPOCH `today` is no time
--- again off
