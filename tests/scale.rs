//! What must not grow with the archive, the history or the inbox, seen by what can be done without and not by a clock: objects of old records
//! and old commits are taken away, descriptors are few, and everything goes on.

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
/// what lies in the folders of records and of archived requests.
const TAKE_AWAY: &str = r#"
take_away() { # repository, commit…
    repository=$1; shift
    mkdir -p ../packs; rm -f ../packs/*; mv "$repository"/objects/pack/* ../packs/ 2>/dev/null || true
    for pack in ../packs/*.pack; do [ ! -e "$pack" ] || git -C "$repository" unpack-objects -q < "$pack"; done
    : > ../kept
    for commit; do
        echo "$commit" >> ../kept
        git -C "$repository" rev-parse "$commit^{tree}" >> ../kept
        git -C "$repository" ls-tree -r -t "$commit" | while read -r mode type object path; do
            case $path in logs/* | processed/*) ;; *) echo "$object" ;; esac
        done >> ../kept
    done
    git -C "$repository" cat-file --batch-all-objects --batch-check='%(objectname)' | while read -r object; do
        if ! grep -q "$object" ../kept; then
            rm -f "$repository/objects/$(echo "$object" | cut -c1-2)/$(echo "$object" | cut -c3-)"
        fi
    done
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
