//! Real servers on the loopback interface: lighttpd with `git http-backend`, and sshd; each with its own files in the
//! test's folder, on a free port, ended with its whole process group when the value is dropped.
//!
//! They never serve anything but that folder and never read the machine's own configuration.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The user and password that the http server wants for a push to `/locked/`.
pub const CREDENTIALS: (&str, &str) = ("pusher", "open-sesame");

/// A server that ends with this value.
pub struct Server {
    process: Child,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.process.id()).expect("a process id fits"));
        let _ = killpg(group, Signal::SIGTERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

/// Serves the repositories below `folder` as `http://127.0.0.1:PORT/git/NAME`; below `/locked/` instead of `/git/`
/// everybody may fetch and only [`CREDENTIALS`] may push.
pub fn http(folder: &Path) -> io::Result<Server> {
    let backend = git_exec_path()?.join("git-http-backend");
    let place = folder.join("http");
    fs::create_dir_all(&place)?;
    fs::write(place.join("users"), format!("{}:{}\n", CREDENTIALS.0, CREDENTIALS.1))?;
    start(&place, "lighttpd", |port| {
        let configuration = format!(
            r#"server.modules = ("mod_auth", "mod_authn_file", "mod_setenv", "mod_alias", "mod_cgi")
server.document-root = "{place}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{place}/error.log"
server.upload-dirs = ("{place}")
auth.backend = "plain"
auth.backend.plain.userfile = "{place}/users"
alias.url = ("/git/" => "{backend}/", "/locked/" => "{backend}/")
setenv.set-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1", "HOME" => "{place}",
    "GIT_CONFIG_NOSYSTEM" => "1", "GIT_CONFIG_COUNT" => "1", "GIT_CONFIG_KEY_0" => "http.receivepack", "GIT_CONFIG_VALUE_0" => "true")
cgi.assign = ("" => "")
$HTTP["url"] =~ "^/locked/.*/git-receive-pack$" {{ auth.require = ("" => ("method" => "basic", "realm" => "push", "require" => "valid-user")) }}
$HTTP["url"] =~ "^/locked/" {{ $HTTP["querystring"] =~ "service=git-receive-pack" {{
    auth.require = ("" => ("method" => "basic", "realm" => "push", "require" => "valid-user")) }} }}
"#,
            place = place.display(),
            backend = backend.display(),
            root = folder.display(),
        );
        fs::write(place.join("lighttpd.conf"), configuration)?;
        let mut command = Command::new(find("lighttpd")?);
        command.arg("-D").arg("-f").arg(place.join("lighttpd.conf"));
        Ok(command)
    })
}

/// Serves the machine's files to the key that [`ssh_command`] uses, as the user of the test.
pub fn ssh(folder: &Path) -> io::Result<Server> {
    let place = folder.join("ssh");
    fs::create_dir_all(&place)?;
    for key in ["host_key", "user_key"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(place.join(key));
        if !keygen.status()?.success() {
            return Err(io::Error::other("ssh-keygen failed"));
        }
    }
    // The forced command pins the environment of the server's side as ours is pinned.
    let key = fs::read_to_string(place.join("user_key.pub"))?;
    let serve = place.join("serve");
    let path = std::env::var("PATH").unwrap_or_default();
    fs::write(
        &serve,
        format!(
            "#!/bin/sh\nexec env -i PATH='{path}' HOME='{}' GIT_CONFIG_NOSYSTEM=1 git shell -c \"$SSH_ORIGINAL_COMMAND\"\n",
            place.display()
        ),
    )?;
    fs::set_permissions(&serve, fs::Permissions::from_mode(0o755))?;
    fs::write(place.join("authorized_keys"), format!("restrict,command=\"{}\" {key}", serve.display()))?;
    // sshd started by root wants this folder; on a machine that never ran the service it is missing.
    let _ = fs::create_dir_all("/run/sshd");
    let server = start(&place, "sshd", |port| {
        let configuration = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host_key\nAuthorizedKeysFile {place}/authorized_keys\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nPrintMotd no\nUseDNS no\n",
            place = place.display()
        );
        fs::write(place.join("sshd_config"), configuration)?;
        let mut command = Command::new(find("sshd")?);
        command.args(["-D", "-e", "-f"]).arg(place.join("sshd_config"));
        Ok(command)
    })?;
    let host = fs::read_to_string(place.join("host_key.pub"))?;
    fs::write(place.join("known_hosts"), format!("[127.0.0.1]:{} {host}", server.port))?;
    Ok(server)
}

/// What `GIT_SSH_COMMAND` has to be for the server that [`ssh`] started in this folder.
pub fn ssh_command(folder: &Path) -> String {
    let place = folder.join("ssh").display().to_string();
    format!(
        "ssh -F /dev/null -i {place}/user_key -o IdentitiesOnly=yes -o BatchMode=yes \
         -o UserKnownHostsFile={place}/known_hosts -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes"
    )
}

/// Starts a server on a free port and waits until it accepts; between choosing the port and binding it another process
/// may take it, so it is tried a few times.
fn start(place: &Path, name: &str, build: impl Fn(u16) -> io::Result<Command>) -> io::Result<Server> {
    let log = place.join("server.log");
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = build(port)?
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log)?)
            .stderr(fs::File::options().append(true).open(&log)?)
            .process_group(0)
            .spawn()?;
        let mut server = Server { process, port };
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(server.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let words = fs::read_to_string(&log).unwrap_or_default();
    Err(io::Error::other(format!("{name} does not come up: {words}")))
}

/// A server program; those of a system are often outside of a user's `PATH`.
fn find(name: &str) -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| io::Error::other(format!("{name} is not installed: scripts/test.sh installs it")))
}

fn git_exec_path() -> io::Result<PathBuf> {
    let output = Command::new("git").arg("--exec-path").output()?;
    let text = output.stdout.trim_ascii_end();
    Ok(PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(text)))
}
