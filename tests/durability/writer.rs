//! The second writer: requests, edits of them, and commits that are none of the dispatcher's business.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use codex_dispatch::id::RequestId;
use uuid::Uuid;

use crate::rig::{PASS_TIMEOUT, Remote, Rig, git};
use crate::witness::Sort;

/// A request that was submitted.
#[derive(Clone, Debug)]
pub struct Submission {
    pub sort: Sort,
    pub id: String,
    /// In the inbox.
    pub path: String,
    pub blob: String,
    /// The commit of main that brought it.
    pub commit: String,
    /// Its lock keys, sorted.
    pub resources: Vec<String>,
    /// Edited or taken back by its author before anybody was sure that it had not started: it may end unseen.
    pub superseded: bool,
}

/// A small generator: the same seed, the same choices.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Near seeds would begin alike, and zero would stay zero.
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| _ = random.next());
        random
    }

    /// The next number (xorshift64).
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.below(from.len() as u64);
        &from[usize::try_from(index).expect("below the length")]
    }
}

impl Rig {
    /// Submits `count` requests of the plan's sorts, several in a commit, some one folder down, with commits of others between.
    pub fn submit(&mut self, count: usize) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let most = self.random.below(5) + 1;
            let together = left.min(usize::try_from(most).expect("small"));
            let sorts: Vec<Sort> = (0..together).map(|_| *self.random.choose(&self.plan.sorts)).collect();
            self.submit_these(&sorts)?;
            left -= together;
            if self.random.once_in(3) {
                self.foreign()?;
            }
        }
        Ok(())
    }

    /// Submits these in one commit.
    pub fn submit_these(&mut self, sorts: &[Sort]) -> io::Result<()> {
        let drafts: Vec<(Submission, String)> = sorts.iter().map(|&sort| self.draft(sort)).collect();
        for (draft, _) in &drafts {
            self.witness.know(&draft.resources)?;
        }
        let files: Vec<(String, Option<String>)> =
            drafts.iter().map(|(draft, text)| (draft.path.clone(), Some(text.clone()))).collect();
        let commit = self.commit("requests", &files)?;
        for (draft, _) in drafts {
            let blob = git(&self.world, &self.origin(), &["rev-parse", &format!("{commit}:{}", draft.path)])?;
            let blob = blob.trim().to_owned();
            let id = if draft.id.is_empty() {
                RequestId::derived(&commit, &draft.path, &blob).to_string()
            } else {
                draft.id.clone()
            };
            self.submissions.push(Submission { id, blob, commit: commit.clone(), ..draft });
        }
        Ok(())
    }

    fn draft(&mut self, sort: Sort) -> (Submission, String) {
        self.number += 1;
        let number = self.number;
        let on = u32::try_from(self.random.below(u64::from(self.plan.places))).expect("small");
        let mut resources: BTreeSet<String> = sort.resources(on).into_iter().collect();
        let mut text = format!("kind: {}\nspec: {{on: {on}, number: {number}}}\n", sort.kind());
        let mut id = String::new();
        if self.random.once_in(2) {
            id = Uuid::from_u64_pair(self.random.next(), self.random.next()).to_string();
            let _ = writeln!(text, "id: {id}");
        }
        if self.random.once_in(4) {
            let key = format!("extra/{}", self.random.below(2));
            let _ = writeln!(text, "resource: {key}");
            resources.insert(key);
        }
        if sort == Sort::Invalid {
            text.push_str("no_such_key: true\n");
        }
        if resources.is_empty() {
            resources.insert(sort.kind().to_owned());
        }
        let folder = *self.random.choose(&["", "", "team/", "ops/"]);
        let ending = *self.random.choose(&["yml", "yml", "yaml"]);
        // Names in no order, so that order by name within a commit is seen.
        let name = format!("{:02x}-{number}", self.random.below(256));
        let path = format!("requests/{folder}{name}.{ending}");
        let resources = resources.into_iter().collect();
        let draft =
            Submission { sort, id, path, blob: String::new(), commit: String::new(), resources, superseded: false };
        (draft, text)
    }

    /// Changes a request that lies in the inbox: another one then, under the same path. False where it is not there any more.
    pub fn edit(&mut self, index: usize) -> io::Result<bool> {
        let old = self.submissions[index].clone();
        let text = git(&self.world, &self.origin(), &["show", &format!("main:{}", old.path)]);
        let Ok(text) = text else { return Ok(false) };
        self.number += 1;
        // Without an id of its own: one that two requests share is another matter.
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("id:")).collect();
        let edit = format!("# edit {}\n", self.number);
        lines.push(&edit);
        let text = lines.join("\n");
        let Ok(commit) = self.commit("edit", &[(old.path.clone(), Some(text))]) else { return Ok(false) };
        let blob = git(&self.world, &self.origin(), &["rev-parse", &format!("{commit}:{}", old.path)])?;
        let blob = blob.trim().to_owned();
        self.submissions[index].superseded = true;
        let id = RequestId::derived(&commit, &old.path, &blob).to_string();
        self.submissions.push(Submission { id, blob, commit, superseded: false, ..old });
        Ok(true)
    }

    /// A commit of somebody else: files that are none of the dispatcher's business, in folders of theirs.
    pub fn foreign(&mut self) -> io::Result<()> {
        self.number += 1;
        let path = format!("notes/{}.txt", self.random.below(6));
        let files = [
            (path, Some(format!("note {}\n", self.number))),
            // Beside requests and records there may be what is none.
            ("requests/README".to_owned(), Some(format!("{}\n", self.number))),
        ];
        self.commit("notes", &files).map(drop)
    }

    /// Commits files (none: removed) and brings the commit to main, on whatever tip it has by then; gives the commit.
    pub fn commit(&mut self, message: &str, files: &[(String, Option<String>)]) -> io::Result<String> {
        let clone = self.world.path("clone");
        let is_local = self.plan.remote == Remote::None;
        let deadline = Instant::now() + PASS_TIMEOUT;
        let stale = Instant::now() + Duration::from_secs(5);
        loop {
            if !is_local {
                git(&self.world, &clone, &["fetch", "-q", "origin"])?;
                git(&self.world, &clone, &["reset", "-q", "--hard", "origin/main"])?;
            }
            for (path, text) in files {
                match text {
                    Some(text) => self.world.write(path, text)?,
                    None => fs::remove_file(clone.join(path))?,
                }
            }
            let mut add = vec!["add", "-A", "--"];
            add.extend(files.iter().map(|(path, _)| path.as_str()));
            // Without a remote a dispatcher may hold git's locks or move the branch meanwhile.
            let made = git(&self.world, &clone, &add)
                .and_then(|_| git(&self.world, &clone, &["commit", "-q", "-m", message]))
                .and_then(|_| git(&self.world, &clone, &["rev-parse", "HEAD"]));
            let pushed = made.and_then(|commit| {
                if !is_local {
                    git(&self.world, &clone, &["push", "-q", "origin", "HEAD:refs/heads/main"])?;
                }
                Ok(commit.trim().to_owned())
            });
            match pushed {
                Ok(commit) => {
                    self.commits.insert(commit.clone());
                    return Ok(commit);
                }
                Err(error) if Instant::now() > deadline => {
                    let lock = fs::read_to_string(clone.join(".git/index.lock")).unwrap_or_default();
                    let words = format!("{error}\nin the lock: `{lock}`\nthe dispatcher said: {}", self.printed(1));
                    return Err(io::Error::other(words));
                }
                // One that was killed leaves them there, and its next start clears them: so its owner starts it again.
                Err(_) if is_local && Instant::now() > stale && clone.join(".git/index.lock").exists() => {
                    self.run(1)?;
                }
                Err(_) => {}
            }
        }
    }
}
