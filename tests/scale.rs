//! What must not grow with the archive, the history or the inbox, seen by what can be done without and not by a clock: objects of old records
//! and old commits are taken away, descriptors are few, and everything goes on. And that the benchmark says what its figures say.

#[expect(dead_code, reason = "what other tests ask of a world")]
mod support;

use codex_dispatch::contract::{self, Compiled};
use codex_dispatch::repo::{Checkout, Repo, Settings};
use std::sync::Arc;
use support::World;

type Tested = Result<(), Box<dyn std::error::Error>>;

const START: &str = "git init -q -b main; git config user.name T; git config user.email t@example.com
    mkdir -p handlers requests; printf '#!/bin/sh\\necho ran\\n' > handlers/noop.sh; chmod +x handlers/noop.sh
    echo 'noop: handlers/noop.sh' > handlers/index.yml; touch requests/.gitkeep; git add -A; git commit -qm start";

/// Shell lines that take every object of a repository away that a list of commits does not need: their own trees stay, but for
/// what lies in the folders of records and of archived requests, and so does what `../needed` lists.
const TAKE_AWAY: &str = r#"
take_away() { # repository, commit…
    repository=$1; shift
    mkdir -p ../packs; rm -f ../packs/*; mv "$repository"/objects/pack/* ../packs/ 2>/dev/null || true
    for pack in ../packs/*.pack; do [ ! -e "$pack" ] || git -C "$repository" unpack-objects -q < "$pack"; done
    cat ../needed > ../kept 2>/dev/null || : > ../kept
    for commit; do
        echo "$commit" >> ../kept
        git -C "$repository" rev-parse "$commit^{tree}" >> ../kept
        git -C "$repository" ls-tree -r -t "$commit" | while read -r mode type object path; do
            case $path in logs/* | processed/*) ;; *) echo "$object" ;; esac
        done >> ../kept
    done
    # What hosts say of themselves has nothing to do with records.
    git -C "$repository" for-each-ref --format='%(objectname)' refs/dispatch-fetch/dispatch | while read -r commit; do
        git -C "$repository" rev-list --objects "$commit" | cut -d' ' -f1
    done >> ../kept
    sort -u ../kept > ../sorted
    git -C "$repository" cat-file --batch-all-objects --batch-check='%(objectname)' | sort -u | comm -23 - ../sorted |
        sed 's|^..|&/|' | (cd "$repository/objects"; xargs rm -f)
}
"#;

#[test]
fn a_pass_reads_neither_old_records_nor_old_history() -> Tested {
    let world = World::new()?;
    world.must(&format!(
        "{START}
         git init -q --bare -b main ../origin.git; git remote add origin ../origin.git
         for number in 1 2 3 4 5 6; do echo $number > other; git add other; git commit -qm $number; done
         for name in a b c; do echo 'kind: noop' > requests/$name.yml; done; git add -A; git commit -qm requests
         git push -q -u origin main; dispatch -q run; git pull -q; test \"$(ls logs)\" = \"$(printf 'a\\nb\\nc')\""
    ))?;
    // What stands below the folder of a record, and each commit before the last three.
    world.must(&format!(
        "{TAKE_AWAY}
         own=.git/dispatch/repo.git; take_away $own $(git rev-parse HEAD HEAD~1 HEAD~2)
         git rev-parse HEAD~3 HEAD:logs/a HEAD:logs/a/status.yml > ../old
         while read -r object; do if git -C $own cat-file -e $object; then exit 1; fi; done < ../old 2>/dev/null"
    ))?;
    // The memory of where the tip stands goes too: a first start counts no history.
    world.must(
        "rm -f .git/dispatch/tip-position
         echo 'kind: noop' > requests/d.yml; git add -A; git commit -qm more; git push -q; dispatch -q run
         git fetch -q; git cat-file -e origin/main:logs/d/status.yml; git cat-file -e origin/main:logs/a/status.yml
         while read -r object; do
             if git -C .git/dispatch/repo.git cat-file -e $object 2>/dev/null; then echo $object was had again; exit 1; fi
         done < ../old",
    )?;
    world.close()?;
    Ok(())
}

#[test]
fn a_list_reads_no_older_days_than_it_shows() -> Tested {
    let world = World::new()?;
    world.must(&format!(
        "{START}; echo 'codex: {{layout: dated}}' > codex.repo.yaml
         for day in 2019/05/01 2020/01/01 2020/01/02; do for name in x y; do
             mkdir -p logs/$day/$name processed/$day; echo 'kind: noop' > processed/$day/$name.yml
             printf 'v: 1\\nstatus: success\\n# '$day$name > logs/$day/$name/status.yml
         done; git add -A; git commit -qm $day; done
         for old in logs/2019 logs/2020/01/01; do
             git ls-tree -r -t HEAD $old | while read -r mode type object path; do
                 case $path in $old/*) echo $object ;; esac; done
         done | sort -u | while read -r object; do
             rm .git/objects/$(echo $object | cut -c1-2)/$(echo $object | cut -c3-); done
         if git cat-file -e HEAD:logs/2020/01/01/x/status.yml 2>/dev/null; then exit 1; fi"
    ))?;
    let listed = world.must("dispatch list --most 2")?;
    let names: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names, ["2020/01/02/x", "2020/01/02/y"], "{listed}");
    assert_ne!(world.shell("dispatch list --most 3")?.exit, Some(0), "the day before is gone");
    world.close()?;
    Ok(())
}

#[test]
fn any_number_of_files_is_checked_with_few_descriptors() -> Tested {
    let world = World::new()?;
    world.must(&format!(
        "{START}; for number in $(seq 200); do echo 'kind: noop' > requests/$number.yml; done
         ulimit -n 50; dispatch check requests; dispatch check"
    ))?;
    world.close()?;
    Ok(())
}

#[test]
fn a_commit_that_only_moves_requests_has_nothing_read_again() -> Tested {
    let world = World::new()?;
    world.must(START)?;
    let repo = Repo::open_to_read(Checkout::discover(&world.path("clone"))?, None, Settings::new("main"))?;
    let mut compiled = Compiled::default();
    let mut kind_after = |script: &str| -> Result<_, Box<dyn std::error::Error>> {
        world.must(&format!("{script}; git add -A; git commit -qm more"))?;
        let tip = repo.resolve("HEAD")?;
        let contract = contract::load(&repo, tip, &mut compiled)?;
        assert_eq!(contract.commit, tip);
        Ok(Arc::clone(contract.rules.kinds["noop"].as_ref().map_err(|faults| format!("{faults:?}"))?))
    };
    let first = kind_after("echo 'kind: noop' > requests/a.yml")?;
    let second = kind_after("mkdir -p logs/a processed; mv requests/a.yml processed; echo > logs/a/status.yml")?;
    assert!(Arc::ptr_eq(&first, &second));
    let third = kind_after("echo '# changed' >> handlers/noop.sh")?;
    assert_ne!(second.handler_blob, third.handler_blob);
    world.close()?;
    Ok(())
}

#[test]
fn a_partial_clone_shows_what_our_own_copy_has() -> Tested {
    let world = World::new()?;
    // The origin would send what is missing, and nobody asks it: it is gone by then.
    world.must(&format!(
        "{START}; git init -q --bare -b main ../origin.git; git -C ../origin.git config uploadpack.allowFilter true
         echo 'kind: noop' > requests/done.yml; printf 'kind: noop\\nnot_before: 2100-01-01T00:00:00Z\\n' > requests/waits.yml
         git add -A; git commit -qm requests; git push -q ../origin.git main
         git clone -q --no-checkout --filter=blob:none \"file://$(cd ../origin.git; pwd)\" ../partial
         cd ../partial; git rev-list --objects --missing=print --all | grep -q '^?'
         dispatch -q run; mv ../origin.git ../away
         dispatch list > listed; grep -q 'waits .*held' listed; grep -q 'done .*succeeded' listed; dispatch -q status waits"
    ))?;
    world.close()?;
    Ok(())
}

/// Shell lines that put many records of years on main, as another dispatcher has left them, one commit a day.
const ARCHIVE: &str = r#"
archive() { # records, commit of others before
    { number=0; when=1500000000; from=$(git rev-parse HEAD)
    while [ $number -lt $1 ]; do
        day=$(date -u -d @$when +%Y/%m/%d)
        printf 'commit refs/heads/main\ncommitter t <t@example.com> %d +0000\ndata 0\n%s\n' $when "${from:+from $from}"
        from=; last=$((number + 300)); [ $last -lt $1 ] || last=$1
        while [ $number -lt $last ]; do
            padded=000000000000$number; id=0198c0de-0000-7000-8000-${padded#"${padded%????????????}"}
            outcome=succeeded; [ $number != 5 ] || outcome=indeterminate
            text="v: 1
status: success
outcome: $outcome
id: $id
kind: noop
name: old-$number
host: h
dispatcher: d
commit: c
request_blob: b
finished_at: 2017-01-01T00:00:00.000Z
"
            printf 'M 100644 inline logs/%s/old-%d/status.yml\ndata %d\n%s\n' $day $number ${#text} "$text"
            printf 'M 100644 inline processed/%s/old-%d.yml\ndata 11\nkind: noop\n\n' $day $number
            number=$((number + 1))
        done
        when=$((when + 86400))
    done; } > ../stream
    git fast-import --quiet --force < ../stream; git reset -q --hard main
}
"#;

/// A clone with 2,100 records of a week and its origin.
fn with_archive() -> Result<World, Box<dyn std::error::Error>> {
    let world = World::new()?;
    world.must(&format!(
        "{ARCHIVE}{START}; printf 'codex: {{layout: dated}}\n' > codex.repo.yaml; git add -A; git commit -qm dated; archive 2100
         git init -q --bare -b main ../origin.git; git remote add origin ../origin.git; git push -q -u origin main"
    ))?;
    Ok(world)
}

const OLD: &str = "0198c0de-0000-7000-8000-000000000005";

#[test]
fn an_old_record_is_found_by_the_index_alone() -> Tested {
    let world = with_archive()?;
    world.must(&format!(
        "dispatch -q run; test ! -e .git/dispatch/archive.db
         dispatch resolve --failed --note gone {OLD}; dispatch -q run; test -e .git/dispatch/archive.db
         git pull -q; dispatch status {OLD} | grep -q 'resolved as failed'; ls .git/dispatch"
    ))?;
    // Every other old record is gone from the dispatcher's own copy and the clone, and so are all commits but three.
    world.must(&format!(
        "{TAKE_AWAY}
         git ls-tree -r HEAD logs processed | grep -E 'old-5[./]' | cut -f1 | cut -d' ' -f3 > ../needed
         git ls-tree -r -t HEAD logs processed | grep -E 'logs.*/resolve-|processed.*/resolve-|	logs/[0-9/]*$|	logs$|	processed$|	processed/[0-9/]*$|old-5$' |
             cut -f1 | cut -d' ' -f3 >> ../needed
         git ls-tree -r -t HEAD \"$(git ls-tree -r --name-only HEAD logs | grep /resolve- | head -1 | xargs dirname)\" | cut -f1 | cut -d' ' -f3 >> ../needed
         for repository in .git .git/dispatch/repo.git; do
             take_away $repository $(git rev-parse HEAD HEAD~1 HEAD~2)
         done
         test -z \"$(git cat-file -t HEAD:logs/2017/07/14/old-7/status.yml 2>/dev/null)\""
    ))?;
    world.must(&format!(
        "dispatch status {OLD} | grep -q old-5; dispatch status old-5 | grep -q old-5; dispatch status 00000005 | grep -q old-5
         dispatch status {OLD} | grep -q 'resolved as failed'"
    ))?;
    assert_ne!(world.shell("dispatch status 0198c0de-0000-7000-8000-000000000007")?.exit, Some(0), "it is gone");
    // Asked again, the first word counts; of another request main has nothing, and nothing old is read for that.
    let said = world.must(
        "git clone -q ../origin.git ../other
         (cd ../other; printf 'kind: dispatch.resolve\nspec: {id: 0198c0de-0000-7000-8000-0000000fffff, as: failed}\n' > requests/late.yml
         git add requests; git commit -qm late; git push -q)
         dispatch -q run
         git -C ../origin.git show \"main:$(git -C ../origin.git ls-tree -r --name-only main logs | grep 'late.*error.log')\"",
    )?;
    assert!(said.contains("no request has the id"), "{said}");
    world.close()?;
    Ok(())
}

#[test]
fn a_new_state_folder_knows_ids_and_keys_of_the_whole_archive_by_its_index() -> Tested {
    let world = with_archive()?;
    // The one that counts lies behind more commits than a new journal looks back.
    world.must(
        "mkdir -p logs/2016/01/01/keyed processed/2016/01/01
         printf 'kind: noop\nidempotency_key: once\nspec: {a: 1}\n' > processed/2016/01/01/keyed.yml
         printf 'v: 1\nstatus: success\noutcome: succeeded\nid: 0198c0de-0000-7000-8000-00000000abcd\nkind: noop\nname: keyed\nhost: h\ndispatcher: d\ncommit: c\nidempotency_key: once\nfinished_at: 2016-01-01T00:00:00.000Z\nrequest_blob: %s\n' \
             $(git hash-object processed/2016/01/01/keyed.yml) > logs/2016/01/01/keyed/status.yml
         git add -A; git commit -qm keyed
         { from=$(git rev-parse HEAD); for number in $(seq 1100); do
             printf 'commit refs/heads/main\ncommitter t <t@example.com> 1700000000 +0000\ndata 0\n%s\n' \"${from:+from $from}\"; from=
         done; } | git fast-import --quiet --force; git reset -q --hard main; git push -q",
    )?;
    let ask =
        "printf 'kind: noop\nid: 0198c0de-0000-7000-8000-00000000abcd\nspec: {b: %s}\n' $1 > requests/same-id-$1.yml
         printf 'kind: noop\nidempotency_key: once\nspec: {a: 1}\n# %s\n' $1 > requests/same-key-$1.yml
         git add -A; git commit -qm more; git push -q; dispatch -q run; git pull -q";
    world.must(&format!(
        "ask() {{ {ask}; }}
         dispatch -q run; dispatch status 0198c0de-0000-7000-8000-0000000fffff 2>/dev/null && exit 1; ask 1
         dispatch list --json > listed; cat listed
         grep -c duplicate_id $(git ls-files 'logs/*same-id-1*/status.yml')
         grep 'replay_of: 0198c0de-0000-7000-8000-00000000abcd' $(git ls-files 'logs/*same-key-1*/status.yml')"
    ))?;
    world.close()?;
    Ok(())
}

#[test]
fn a_deleted_half_made_or_foreign_index_changes_no_answer() -> Tested {
    let world = with_archive()?;
    let old = format!("dispatch status {OLD} | grep -q old-5; dispatch status old-2099 | grep -q old-2099");
    // Without a state folder there is none, and it is not made.
    world.must(&format!("{old}; test ! -e .git/dispatch; dispatch -q run; dispatch status old-5 | grep -q old-5"))?;
    let bring_up = "if dispatch status 0198c0de-0000-7000-8000-0000000fffff 2>/dev/null; then exit 1; fi; test -e .git/dispatch/archive.db";
    world.must(&format!("{bring_up}; {old}; rm .git/dispatch/archive.db*; {old}; {bring_up}"))?;
    // Killed while it is written: no larger file may be made.
    world.must(
        "rm .git/dispatch/archive.db*; (ulimit -c 0; ulimit -f 200; dispatch status 0198c0de-0000-7000-8000-0000000fffff) || true
         test -e .git/dispatch/archive.db",
    )?;
    world.must(&format!("{bring_up}; {old}"))?;
    // Two at once.
    world.must(&format!(
        "rm .git/dispatch/archive.db*; for each in 1 2 3; do (dispatch status 0198c0de-0000-7000-8000-0000000fffff || true) 2>/dev/null & done; wait; {old}"
    ))?;
    // Main is written anew without some of it, and the objects of before are gone.
    world.must(
        "git rm -rq logs/2017/07/14 processed/2017/07/14; git commit -qm gone
         git checkout -q --orphan fresh; git commit -qm anew; git branch -M fresh main; git push -qf origin main
         git reflog expire --expire=now --all; git gc -q --prune=now; git -C ../origin.git gc -q --prune=now; rm -rf .git/dispatch/repo.git
         dispatch adopt -q; dispatch status old-2099 | grep -q old-2099; dispatch status old-301 | grep -q old-301",
    )?;
    assert_ne!(world.shell("dispatch status old-5")?.exit, Some(0), "main has it no longer");
    world.close()?;
    Ok(())
}

#[test]
fn the_benchmark_judges_and_shows_its_figures_as_promised() -> Tested {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/dispatcher");
    let mut python = std::process::Command::new("python3");
    python.args(["-B", "-m", "unittest", "-q", "test_bench"]).current_dir(tests);
    let ended = python.output()?;
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}
