//! One pass of the real program over committed requests, and what the record says of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};

use crate::stage::{
    DEADLINE, MEMORY_MIB, OUTPUT_BYTES, PIDS, Stage, TMP_MIB, Try, User, is_root, kind_of, quoted, scripts,
};
use crate::support::Ended;
use crate::table::{Attack, Surroundings};

/// The last request of each pass: it runs whatever the attack did.
const AFTER: &str = "zz-after";

impl Stage {
    /// One pass of the dispatcher with the attack's scripts as handlers of committed requests, and one more request behind them.
    pub fn dispatch(&mut self, attacks: &[&Attack], level: &str) -> io::Result<Vec<Try>> {
        let mut index = Map::new();
        for attack in attacks {
            for script in attack.scripts {
                self.commit_kind(&mut index, attack, level, script)?;
            }
        }
        let attack = attacks[0];
        let company: &[&str] = match attack.surroundings {
            Surroundings::Neighbour => &["figures/neighbour.sh"],
            Surroundings::Predecessor => &["figures/earlier.sh"],
            _ => &[],
        };
        if attack.surroundings == Surroundings::Neighbour {
            // The first record of a new host is on main before two run at once.
            self.world().write("requests/00-first.yml", "kind: after\n")?;
        }
        for script in company {
            self.commit_kind(&mut index, attack, level, script)?;
        }
        self.world().write("handlers/after.sh", "#!/bin/sh\necho after\n")?;
        self.world().write(&format!("requests/{AFTER}.yml"), "kind: after\n")?;
        index.insert(
            "after".into(),
            json!({"run": "handlers/after.sh", "resource": "one", "sandbox": {"level": level}}),
        );
        self.world().write("handlers/index.yml", &Value::from(index).to_string())?;
        self.write_host(attacks)?;
        if is_root() && self.user == User::Ordinary {
            self.as_dispatcher_owned()?;
        }
        let set_up = "git init -q -b main . && git init -q --bare -b main ../origin.git && git remote add origin ../origin.git \
             && sed -i \"s#@TERMINAL@#$(tty || :)#\" handlers/index.yml \
             && git add -A && git commit -q -m start && git push -q -u origin main\n";
        let ended = self.perform(attack, set_up, "dispatch run")?;
        self.tries(attacks, &ended)
    }

    fn commit_kind(
        &self,
        index: &mut Map<String, Value>,
        attack: &Attack,
        level: &str,
        script: &str,
    ) -> io::Result<()> {
        let name = script.trim_start_matches("figures/");
        let kind = kind_of(name);
        let figure = name != script;
        self.world().write(&format!("handlers/{name}"), &fs::read_to_string(scripts().join(script))?)?;
        self.world()
            .write(&format!("requests/{}-{kind}.yml", if figure { "aa" } else { "bb" }), &format!("kind: {kind}\n"))?;
        let mut env: BTreeMap<&str, String> = self.env.get(&kind).cloned().unwrap_or_default();
        if figure {
            env.insert("MEET", self.path("meet").display().to_string());
            env.insert("TOKEN", self.token(&kind));
        }
        if let Some(places) = attack.places {
            env.insert("PLACES", places.to_owned());
        }
        let mut row = json!({
            "run": format!("handlers/{name}"),
            "resource": "one",
            "timeout": if attack.surroundings == Surroundings::Timeout { "1s" } else { "60s" },
            "grace": "500ms",
            "env": env,
            "sandbox": {
                "level": level,
                "pids": PIDS,
                "memory": format!("{MEMORY_MIB}MiB"),
                "tmp": format!("{TMP_MIB}MiB"),
                "work": format!("{TMP_MIB}MiB"),
                "output": OUTPUT_BYTES,
                "artifacts": "1MiB",
                "read": [self.path("granted")],
            },
        });
        if attack.surroundings == Surroundings::Neighbour {
            row["resource"] = name.into();
            row["sandbox"]["write"] = json!([self.path("meet")]);
        }
        if figure {
            row["secrets"] = json!(["JOB_SECRET"]);
            row["secrets_env"] = true.into();
        }
        index.insert(kind, row);
        Ok(())
    }

    fn write_host(&self, attacks: &[&Attack]) -> io::Result<()> {
        let secret = self.path("private/job-secret");
        self.put("private/job-secret", &self.secret, 0o600)?;
        if is_root() && self.user == User::Ordinary {
            chown(&secret, Some(self.uid), Some(self.uid))?;
        }
        let kinds: Vec<String> =
            attacks.iter().flat_map(|attack| attack.scripts).map(|script| kind_of(script)).collect();
        let figures = ["neighbour-sh", "earlier-sh"];
        let all = || kinds.iter().map(String::as_str).chain(figures);
        let grant = |path: &str| -> Map<String, Value> {
            all().map(|kind| (kind.to_owned(), json!([self.path(path)]))).collect()
        };
        let host = json!({
            "node": "stage",
            // Two at once where that is the point; else all in the first slot, whose user is known.
            "jobs": if attacks[0].surroundings == Surroundings::Neighbour { 2 } else { 1 },
            "uids": format!("{}-{}", self.slot_uid, self.slot_uid + 14),
            "levels": {"minimum": "confined", "none": ["*"]},
            "read": grant("granted"),
            "write": grant("meet"),
            "secrets": {"JOB_SECRET": {"file": secret, "kinds": figures}},
        });
        fs::write(self.path("host.yaml"), host.to_string())
    }

    pub fn as_dispatcher_owned(&self) -> io::Result<()> {
        let owner = format!("{0}:{0}", self.uid);
        let status =
            Command::new("chown").args(["-R", &owner]).arg(self.path("clone")).arg(self.path("host.yaml")).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other("chown failed")) }
    }

    fn tries(&self, attacks: &[&Attack], ended: &crate::support::Ended) -> io::Result<Vec<Try>> {
        let extract =
            "mkdir -p ../record && git -C ../origin.git archive main logs 2>/dev/null | tar -x -C ../record || :";
        if is_root() && self.user == User::Ordinary {
            fs::create_dir_all(self.path("record"))?;
            chown(self.path("record"), Some(self.uid), Some(self.uid))?;
        }
        let modes = self.shell(&format!("{extract}\ngit -C ../origin.git ls-tree -r main logs"))?;
        let strange = modes.stdout.lines().find(|line| !line.starts_with("100644") && !line.starts_with("100755"));
        if let Some(strange) = strange {
            return Err(io::Error::other(format!("in the record there is {strange}")));
        }
        let logs = self.path("record/logs");
        let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let after = read(logs.join(AFTER).join("status.yml"));
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        let dies = attacks[0].name == "signal_dispatcher" && ended.exit != Some(0);
        if !after.contains("outcome: succeeded") && !dies {
            return Err(io::Error::other(format!(
                "the request behind it did not run: {after}\n{:?} {shown}",
                ended.exit
            )));
        }
        let scripts = attacks.iter().flat_map(|attack| attack.scripts.iter().map(|script| (attack.name, script)));
        let tries = scripts.map(|(attack, script)| {
            let kind = kind_of(script);
            let folder = logs.join(format!("bb-{kind}"));
            Try {
                output: read(folder.join("handler.log")),
                status: read(folder.join("status.yml")),
                folder,
                kind,
                attack,
                by_hand: false,
                shown: shown.clone(),
                exit: ended.exit,
            }
        });
        Ok(tries.collect())
    }

    /// Carries a command out as the dispatcher's user, in the attack's surroundings.
    pub fn perform(&self, attack: &Attack, set_up: &str, command: &str) -> io::Result<Ended> {
        let around = match attack.surroundings {
            Surroundings::Terminal => {
                let terminal = quoted(&scripts().join("figures/terminal.py").display().to_string());
                return self.shell(&format!("python3 {terminal} {}", quoted(&format!("{set_up}{command}"))));
            }
            Surroundings::Descriptors => {
                format!("exec 7< {} 8<&7\n{command}", quoted(&self.path("private/canary").display().to_string()))
            }
            Surroundings::Killed => return self.perform_killed(set_up, command),
            Surroundings::Timeout if !command.starts_with("dispatch") => {
                // What the dispatcher does at a timeout, without what it does after it.
                format!("{command} &\nuntil grep -qs TRIED output; do sleep 0.02; done\nkill -TERM $!\n")
            }
            _ => command.to_owned(),
        };
        self.shell(&format!("{set_up}{around}"))
    }

    /// Kills the dispatcher when the attack has settled in, waits for what ends by itself, and lets another pass take over.
    fn perform_killed(&self, set_up: &str, command: &str) -> io::Result<Ended> {
        let by_hand = !command.starts_with("dispatch");
        let note = self.path("tmp/pid").display().to_string();
        let script = format!("{set_up}{command} &\necho $! > {}\nwait $! || :\n", quoted(&note));
        let noted = || fs::read_to_string(&note).unwrap_or_default();
        let ended = std::thread::scope(|scope| -> io::Result<_> {
            let running = scope.spawn(|| self.shell(&script));
            let until = Instant::now() + DEADLINE;
            // The handler and its daemon.
            let settled = || self.alive(None).len() >= 2 && noted().ends_with('\n');
            while !settled() && !running.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
            if let Ok(pid) = noted().trim().parse() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            running.join().expect("it does not panic")
        })?;
        if by_hand {
            return Ok(ended);
        }
        let until = Instant::now() + DEADLINE;
        while !self.alive(None).is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.shell("dispatch run")
    }
}
