//! The words of the container in `deploy/kubernetes`, carried out here: command line, probes, host file and user.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use codex_dispatch::yaml::{self, Limits};
use serde_json::Value;

use crate::bench::{Bench, Tested, until};

fn manifest(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes").join(name);
    let bytes = fs::read(path).expect("a manifest");
    yaml::read(name, &bytes, Limits::REPOSITORY).expect("sound YAML").value().clone()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The container's command line, probes and host file, as its user, without a capability and without a file that only root reads.
#[test]
fn the_containers_own_words_make_a_dispatcher_that_its_probes_find_well() -> Tested {
    let (deployment, config) = (manifest("deployment.yaml"), manifest("configmap.yaml"));
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let bench = Bench::new(true)?;
    let host = config["data"]["host.yaml"].as_str().expect("a host file");
    // The remote is a folder here.
    assert!(host.contains("protocols: [ssh, https]"));
    bench.world.write_host(&host.replace("protocols: [ssh, https]", "protocols: [file]"))?;
    let state = bench.world.path("state").display().to_string();
    let clone = bench.world.path("clone").display().to_string();
    let here = |word: &String| word.replace("/srv/dispatch/inbox", &clone).replace("/srv/dispatch/state", &state);
    let args: Vec<String> = strings(&container["args"]).iter().map(here).collect();
    let user = pod["securityContext"]["runAsUser"].as_u64().expect("a number").to_string();
    // A refused request runs nothing, and shows the way to main and back.
    bench.merge(&[("requests/a.yml", "kind: nobody\n")])?;
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        bench.world.must(&format!("cd ..; chmod 755 .; chmod 644 host.yaml; chown -R {user}:{user} clone origin.git home tmp; mkdir state; chown {user}:{user} state"))?;
    } else {
        eprintln!("SKIPPED in part: only root can be somebody else");
    }
    let dispatch = bench.world.path("dispatch");
    fs::copy(env!("CARGO_BIN_EXE_dispatch"), &dispatch)?;
    // As the container's user, who has nothing but its own.
    let as_user = |program: &str| {
        if !is_root {
            return bench.command(program);
        }
        let mut command = bench.command("setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--no-new-privs"]);
        command.args(["--bounding-set=-all", "--inh-caps=-all", program]);
        command
    };
    let command = |words: &[String]| {
        let mut command = as_user(&dispatch.display().to_string());
        command.args(words);
        command
    };
    let probe = |name: &str| -> std::io::Result<(Option<i32>, String)> {
        let words: Vec<String> = strings(&container[name]["exec"]["command"]).iter().map(here).collect();
        assert_eq!(words[0], "/usr/local/bin/dispatch");
        let out = command(&words[1..]).output()?;
        Ok((out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned()))
    };
    assert_eq!(probe("startupProbe")?.0, Some(69), "nothing works there yet");
    let mut watch =
        Guard(command(&args).stdout(Stdio::null()).stderr(fs::File::create(bench.world.path("log"))?).spawn()?);
    until("a start", || probe("startupProbe").is_ok_and(|(code, _)| code == Some(0)))?;
    until("it is ready", || probe("readinessProbe").is_ok_and(|(code, _)| code == Some(0)))?;
    assert_eq!(probe("livenessProbe")?.0, Some(0));
    let record = || -> std::io::Result<String> {
        let mut git = as_user("git");
        git.args(["-C", &bench.world.path("origin.git").display().to_string(), "show", "main:logs/a/status.yml"]);
        Ok(String::from_utf8_lossy(&git.output()?.stdout).into_owned())
    };
    until("the record", || record().is_ok_and(|text| text.contains("rejected")))?;
    Command::new("kill").arg(watch.0.id().to_string()).status()?;
    assert_eq!(watch.0.wait()?.code(), Some(0));
    assert_ne!(probe("startupProbe")?.0, Some(2));
    drop(watch);
    Ok(bench.close()?)
}

/// One that is dropped is killed.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
