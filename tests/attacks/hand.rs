//! The controls: an attack's scripts without a dispatcher, as its user, with nothing around them but what undoes the harm.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::chown;

use crate::stage::{Stage, Try, User, is_root, kind_of, quoted, scripts, set_mode};
use crate::table::{Attack, Surroundings};

impl Stage {
    /// The attack's scripts without a dispatcher: as its user, with nothing around them but what undoes the harm.
    pub fn by_hand(&mut self, attack: &Attack) -> io::Result<Vec<Try>> {
        let user = self.user;
        let mut tries = Vec::new();
        for script in attack.scripts {
            let kind = kind_of(script);
            let folder = self.path(&format!("hand/{kind}"));
            for name in ["", "work", "work/home", "log"] {
                fs::create_dir_all(folder.join(name))?;
                if is_root() && user == User::Ordinary {
                    chown(folder.join(name), Some(self.uid), Some(self.uid))?;
                }
            }
            let program = folder.join(script);
            fs::copy(scripts().join(script), &program)?;
            let text = fs::read_to_string(&program)?;
            set_mode(&program, 0o755)?;
            let mut lines = String::new();
            for (name, value) in &self.env[&kind] {
                let _ = writeln!(lines, "export {name}={}", quoted(value));
            }
            if let Some(places) = attack.places {
                let _ = writeln!(lines, "export PLACES={}", quoted(places));
            }
            let inside = |name: &str| quoted(&folder.join(name).display().to_string());
            let _ = write!(
                lines,
                "export DISPATCH_WORK={} DISPATCH_LOG_DIR={} DISPATCH_RESULT={} DISPATCH_SECRETS={} HOME={}\n\
                 export PATH=/usr/bin:/bin:/usr/sbin:/sbin TERMINAL=$(tty || :)\ncd {}\n",
                inside("work"),
                inside("log"),
                inside("work/result.json"),
                inside("work"),
                inside("work/home"),
                inside(""),
            );
            let run = if text.starts_with("#!") { inside(script) } else { format!("python3 {}", inside(script)) };
            let shell = self.standing_above(attack)?;
            // In a mount namespace where it can harm nobody.
            let apart = if is_root() && text.contains("mount") && user == User::Root { "unshare -m " } else { "" };
            // A timeout is told to the script itself, anything else to who stands above it.
            let run = match attack.surroundings {
                Surroundings::Timeout => format!("exec {run} request log"),
                _ => format!("{run} request log; :"),
            };
            let run = format!("{apart}{shell} -c {} > output 2>&1", quoted(&run));
            self.start_company(attack, &kind)?;
            let ended = self.perform(attack, &lines, &run)?;
            tries.push(Try {
                kind,
                output: String::from_utf8_lossy(&fs::read(folder.join("output")).unwrap_or_default()).into_owned(),
                status: String::new(),
                folder: folder.join("log"),
                attack: attack.name,
                by_hand: true,
                shown: format!("{}{}", ended.stdout, ended.stderr),
                exit: ended.exit,
            });
        }
        Ok(tries)
    }

    /// A shell; one by the name of the dispatcher where that is what is attacked.
    fn standing_above(&self, attack: &Attack) -> io::Result<String> {
        if attack.name != "signal_dispatcher" {
            return Ok("sh".to_owned());
        }
        let stand_in = self.path("hand/dispatch");
        fs::copy("/bin/sh", &stand_in)?;
        set_mode(&stand_in, 0o755)?;
        Ok(quoted(&stand_in.display().to_string()))
    }

    /// By hand the other job is a plain process, and what an earlier one left plain files, where the dispatcher would have them.
    fn start_company(&mut self, attack: &Attack, kind: &str) -> io::Result<()> {
        match attack.surroundings {
            Surroundings::Neighbour => {
                self.start_victim()?;
                fs::write(self.path("meet/up"), "")?;
            }
            Surroundings::Predecessor => {
                let left = self.path("clone/.git/dispatch/run/0.1/work");
                fs::create_dir_all(&left)?;
                fs::write(left.join(format!("kept-{}", self.token(kind))), &self.secret)?;
                if is_root() && self.user == User::Ordinary {
                    self.as_dispatcher_owned()?;
                }
            }
            Surroundings::Plain if attack.scripts.iter().any(|script| script.contains("read_state")) => {
                let state = self.path("clone/.git/dispatch");
                fs::create_dir_all(&state)?;
                fs::write(state.join("journal"), "x")?;
            }
            Surroundings::Plain if attack.name == "plant_git" => {
                self.shell("git init -q .")?;
            }
            _ => {}
        }
        Ok(())
    }
}
