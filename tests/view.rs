//! What a handler finds at `isolated`: the whole of its view without a grant, and what `network: true` adds: names, roots of trust, proxies, ssh;
//! names and roots at `confined` too.
//!
//! Goes through the real `dispatch run`; as root each test runs a second time with an ordinary user's dispatcher. Servers listen on loopback, and
//! where the programs for them are missing and may not be installed, `DISPATCH_TEST_SERVERS=skip` leaves their tests out, aloud.

#[path = "support/servers.rs"]
#[expect(dead_code, reason = "the http server is for the tests of remotes")]
mod servers;
#[expect(dead_code, reason = "git is asked as the bench's user here")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::lchown;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::World;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Of the ordinary user; in no passwd, so that it shares no limit with anybody.
const ORDINARY: u32 = 47_113;
/// Of the first slot of a dispatcher that is root.
const SLOT: u32 = 47_120;

/// A repository with a dispatcher, and who runs it.
struct Bench {
    world: World,
    /// An ordinary user, where the test is root and the dispatcher is not.
    user: Option<u32>,
}

/// Runs a test for each user that can be had.
fn for_each_user(test: impl Fn(Option<u32>) -> Tested) -> Tested {
    test(None)?;
    if is_root() { test(Some(ORDINARY)) } else { Ok(()) }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

impl Bench {
    /// `files` by path; a request `requests/KIND.yml` for each kind. `[STORY]` stands for the folder.
    fn new(user: Option<u32>, host: &str, files: &[(&str, &str)], kinds: &[&str]) -> io::Result<Self> {
        let world = World::new()?;
        let here = |text: &str| text.replace("[STORY]", &world.root().display().to_string());
        world.write_host(&format!("jobs: 1\nuids: {SLOT}-{}\n{}", SLOT + 63, here(host)))?;
        for (path, text) in files {
            world.write(path, &here(text))?;
        }
        for kind in kinds {
            world.write(&format!("requests/{kind}.yml"), &format!("kind: {kind}\n"))?;
        }
        world.must(
            "git init -q -b main; git config user.name T; git config user.email t@example.com; git add -A; git commit -qm start
             git init -q --bare -b main ../origin.git; git remote add origin ../origin.git; git push -q -u origin main",
        )?;
        if let Some(user) = user {
            // The program may lie where only root gets to.
            let link = world.path("bin/dispatch");
            let program = fs::canonicalize(&link)?;
            fs::remove_file(&link)?;
            fs::copy(program, link)?;
            give_away(world.root(), user)?;
        }
        Ok(Self { world, user })
    }

    /// Shell lines as the user of this bench.
    fn must(&self, script: &str) -> io::Result<String> {
        let Some(user) = self.user else { return self.world.must(script) };
        let script = script.replace('\'', "'\\''");
        self.world.must(&format!("exec setpriv --reuid {user} --regid {user} --clear-groups sh -eu -c '{script}'"))
    }

    /// What the record of a kind's request has under this name.
    fn record(&self, kind: &str, file: &str) -> io::Result<String> {
        self.must(&format!("git -C ../origin.git show main:logs/{kind}/{file}"))
    }

    /// What the handler printed, after a pass in which it has succeeded.
    fn output(&self, kind: &str) -> io::Result<String> {
        let output = self.record(kind, "handler.log").unwrap_or_default();
        let status = self.record(kind, "status.yml")?;
        if status.contains("outcome: succeeded") {
            Ok(output)
        } else {
            Err(io::Error::other(format!("{status}{output}")))
        }
    }

    /// The user that handlers run as.
    fn handlers_uid(&self) -> u32 {
        if self.user.is_none() && is_root() { SLOT } else { self.user.unwrap_or(nix::unistd::geteuid().as_raw()) }
    }
}

fn give_away(path: &Path, user: u32) -> io::Result<()> {
    lchown(path, Some(user), Some(user))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path(), user)?;
        }
    }
    Ok(())
}

/// A helper program that has said one line, and ends with this value.
struct Helper {
    process: Child,
    said: String,
}

impl Helper {
    fn python(script: &str, arguments: &[&Path]) -> io::Result<Self> {
        let mut command = Command::new("python3");
        command.args(["-c", script]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut said = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut said)?;
        Ok(Self { process, said: said.trim().to_owned() })
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const LOOK: &str = r#"#!/bin/sh
echo "== top"; ls -A /
echo "== etc"; ls -A /etc
echo "== dev"; ls -A /dev
echo "== run"; ls -A /run
echo "== repo"; ls -A . requests logs
echo "== identity"; id | sed 's/,65534(nogroup)//g'; cat /etc/passwd /etc/group; getent passwd "$(id -u)"; hostname
echo "== environment"; tr '\0' '\n' < /proc/$$/environ | cut -d= -f1 | sort
echo "== home"; echo "$HOME"; : > "$HOME/made" && ls "$HOME"
echo "== descriptors"; ls /proc/self/fd
echo "== rights"; grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp):' /proc/self/status
echo "== network"; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '
echo "== mounts"; cut -d' ' -f5,6 /proc/self/mountinfo
"#;

#[test]
fn the_whole_of_a_handlers_view() -> Tested {
    for_each_user(|user| {
        let index = "look: {run: handlers/look.sh, secrets: [TOKEN]}\n";
        let files =
            [("handlers/index.yml", index), ("handlers/look.sh", LOOK), ("requests/later.txt", "x"), ("data/x", "x")];
        let host = "secrets: {TOKEN: {env: GIVEN, kinds: [look]}}\n";
        let bench = Bench::new(user, host, &files, &["look"])?;
        bench.must("GIVEN=0123456789 HIDDEN=x dispatch run")?;
        let seen = bench.output("look")?;
        let sections: Vec<(&str, &str)> =
            seen.split("== ").skip(1).filter_map(|section| section.split_once('\n')).collect();
        let section = |name: &str| sections.iter().find(|(have, _)| *have == name).expect("printed").1;
        let lines = |name: &str| section(name).lines().map(str::to_owned).collect::<BTreeSet<_>>();
        let on_host = |names: &[&str], below: &str| {
            names
                .iter()
                .filter(|name| Path::new(below).join(name).exists())
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let set = |fixed: &[&str], more: Vec<String>| {
            fixed.iter().map(ToString::to_string).chain(more).collect::<BTreeSet<_>>()
        };

        let system = on_host(&["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"], "/");
        assert_eq!(lines("top"), set(&["dev", "etc", "proc", "repo", "run", "tmp", "work"], system));
        let parts = on_host(
            &[
                "alternatives",
                "ca-certificates/extracted",
                "crypto-policies",
                "hosts",
                "ld.so.cache",
                "localtime",
                "nsswitch.conf",
                "pki/ca-trust/extracted",
                "pki/java",
                "pki/tls/cert.pem",
                "pki/tls/certs",
                "pki/tls/openssl.cnf",
                "pki/tls/openssl.d",
                "ssl/ca-bundle.pem",
                "ssl/cert.pem",
                "ssl/certs",
                "ssl/openssl.cnf",
            ],
            "/etc",
        );
        let tops = parts.iter().map(|part| part.split('/').next().unwrap_or_default().to_owned()).collect();
        assert_eq!(lines("etc"), set(&["group", "passwd"], tops));
        assert_eq!(section("dev"), "fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\nurandom\nzero\n");
        assert_eq!(section("run"), "secrets\n");
        assert_eq!(
            section("repo"),
            ".:\ndata\nhandlers\nlogs\nprocessed\nrequests\n\nlogs:\nlook\n\nrequests:\nlook.yml\n"
        );
        let uid = bench.handlers_uid();
        assert_eq!(
            section("identity"),
            format!(
                "uid={uid}(job) gid={uid}(job) groups={uid}(job)\n\
                 root:x:0:0:root:/nonexistent:/usr/sbin/nologin\njob:x:{uid}:{uid}:job:/work/home:/bin/sh\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\nroot:x:0:\njob:x:{uid}:\nnogroup:x:65534:\n\
                 job:x:{uid}:{uid}:job:/work/home:/bin/sh\nsandbox\n"
            )
        );
        assert_eq!(
            section("environment"),
            "DISPATCH_ATTEMPT\nDISPATCH_COMMIT\nDISPATCH_ID\nDISPATCH_KIND\nDISPATCH_LOG_DIR\nDISPATCH_REQUEST\n\
             DISPATCH_RESOURCE\nDISPATCH_RESULT\nDISPATCH_SECRETS\nDISPATCH_WORK\nHOME\nLANG\nPATH\nTZ\n"
        );
        assert_eq!(section("home"), "/work/home\nmade\n");
        // The fourth is ls's own, on the folder.
        assert_eq!(section("descriptors"), "0\n1\n2\n3\n");
        let none = "0000000000000000";
        assert_eq!(
            section("rights").replace('\t', " "),
            format!("CapInh: {none}\nCapPrm: {none}\nCapEff: {none}\nCapAmb: {none}\nNoNewPrivs: 1\nSeccomp: 2\n")
        );
        assert_eq!(section("network"), "lo\n");
        assert_mounts(section("mounts"));
        Ok(bench.world.close()?)
    })
}

/// Writable is what has to be; nothing but a device is of any use as one, and nothing gives rights.
fn assert_mounts(listing: &str) {
    let mut writable = BTreeSet::new();
    for line in listing.lines() {
        let (place, options) = line.split_once(' ').expect("two fields");
        let has = |option: &str| options.split(',').any(|have| have == option);
        if ["/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"].contains(&place) {
            continue;
        }
        assert!(has("nosuid"), "{line}");
        assert!(has("nodev") || place == "/dev", "{line}");
        assert!(has("noexec") || !["/dev", "/proc", "/run/secrets"].contains(&place), "{line}");
        if has("rw") {
            writable.insert(place);
        }
    }
    assert_eq!(writable, BTreeSet::from(["/dev/shm", "/proc", "/repo/logs/look", "/tmp", "/work"]));
}

/// What a user expects of a network, asked on the host and inside: both must give the same answers.
const EXPECTED_OF_A_NETWORK: &str = r#"
python3 - <<'END'
import glob, os, socket, ssl
def ask(what, *words):
    try:
        print(what.__name__, words, what(*words))
    except OSError as error:
        print(what.__name__, words, "no")
ask(socket.gethostbyname, "localhost")
ask(socket.getservbyname, "https")
ask(socket.getprotobyname, "tcp")
paths = ssl.get_default_verify_paths()
roots = [path for path in (paths.cafile, *(glob.glob((paths.capath or "") + "/*"))) if path and os.path.exists(path)]
print("roots of python", len(roots) > 0, len(ssl.create_default_context().get_ca_certs()))
END
openssl version -d
cat /etc/resolv.conf
for folder in /etc/ssl/private /etc/pki/tls/private; do ls $folder > /dev/null 2>&1 && echo "(not to be seen)"; done; :
"#;

#[test]
fn with_network_names_and_roots_are_found_as_on_the_host() -> Tested {
    for_each_user(|user| {
        let index = "ask: {run: handlers/ask.sh, sandbox: {network: true}}\nalone: handlers/alone.py\n\
                     ask-confined: {run: handlers/ask.sh, sandbox: {level: confined, network: true}}\n";
        let alone = "import os, socket, sys\nprint(os.path.exists('/etc/resolv.conf'), os.listdir('/sys') if os.path.exists('/sys') else '')\n\
                     for address in ('127.0.0.1', '::1'):\n    try:\n        socket.create_connection((address, PORT), 5)\n        print('connected')\n\
                     \x20   except OSError:\n        print('no way')\n";
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let alone = alone.replace("PORT", &listener.local_addr()?.port().to_string());
        let files = [
            ("handlers/index.yml", index),
            ("handlers/ask.sh", EXPECTED_OF_A_NETWORK),
            ("handlers/alone.py", alone.as_str()),
        ];
        let bench = Bench::new(
            user,
            "levels: {minimum: confined}\nnetwork: [ask, ask-confined]\n",
            &files,
            &["ask", "ask-confined", "alone"],
        )?;
        bench.must("dispatch run")?;
        let outside = bench.must(&format!(
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n{EXPECTED_OF_A_NETWORK}"
        ))?;
        for kind in ["ask", "ask-confined"] {
            assert_eq!(bench.output(kind)?, outside.replace("(not to be seen)\n", ""), "{kind}");
        }
        assert_eq!(bench.output("alone")?, "False \nno way\nno way\n");
        Ok(bench.world.close()?)
    })
}

/// Answers every question for an address with 10.1.2.3, on the resolver's port.
const RESOLVER: &str = r#"
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.53", 53))
print("ready", flush=True)
while True:
    question, sender = server.recvfrom(512)
    end = 12
    while question[end]:
        end += 1 + question[end]
    asked = question[12:end + 5]
    answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x01\x02\x03" if asked[-3] == 1 else b""
    server.sendto(question[:2] + b"\x81\x80\x00\x01" + struct.pack(">H", bool(answer)) + b"\0\0\0\0" + asked + answer, sender)
"#;

/// In namespaces of the test's own, with an /etc and a network of their own: the machine's are not touched.
#[test]
fn names_are_resolved_through_a_linked_resolv_conf() -> Tested {
    if !is_root() {
        return Ok(());
    }
    let ask = "import os, socket\n\
               print(socket.gethostbyname('build.test'), socket.gethostbyname('pinned.test'))\n\
               print(os.path.islink('/etc/resolv.conf'), sorted(os.listdir('/etc/ssl')), os.path.exists('/etc/shadow'))\n";
    let index = "ask: {run: handlers/ask.py, sandbox: {network: true}}\n";
    let files = [("handlers/index.yml", index), ("handlers/ask.py", ask)];
    let bench = Bench::new(None, "network: [ask]\n", &files, &["ask"])?;
    fs::write(bench.world.path("resolver.py"), RESOLVER)?;
    bench.must(
        r#"
        cd ..
        mkdir -p etc/ssl/private etc/ssl/certs run/systemd/resolve
        for name in passwd group ld.so.cache localtime alternatives; do [ ! -e /etc/$name ] || cp -a /etc/$name etc; done
        echo root > etc/shadow; echo key > etc/ssl/private/key; chmod 755 etc/ssl/private; touch etc/ssl/openssl.cnf
        echo 'hosts: files dns' > etc/nsswitch.conf
        echo '10.4.5.6 pinned.test' > etc/hosts
        echo 'nameserver 127.0.0.53' > run/systemd/resolve/stub-resolv.conf
        ln -s "$PWD/run/systemd/resolve/stub-resolv.conf" etc/resolv.conf
        mkfifo ready
        unshare --mount --net --propagation private sh -eu -c '
            mount --bind etc /etc
            python3 resolver.py > ready & resolver=$!
            read line < ready
            cd clone
            dispatch run; code=$?
            kill $resolver
            exit $code'
        "#,
    )?;
    assert_eq!(bench.output("ask")?, "10.1.2.3 10.4.5.6\nFalse ['certs', 'openssl.cnf'] False\n");
    Ok(bench.world.close()?)
}

/// Serves the working folder over TLS on a free port, and says which.
const TLS_SERVER: &str = r#"
import functools, http.server, ssl, sys
quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=sys.argv[1]))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn https_with_a_root_of_ones_own() -> Tested {
    for_each_user(|user| {
        let index = "fetch: {run: handlers/fetch.sh, sandbox: {network: true, read: [\"[STORY]/ca.pem\"]}}\n\
                     fetch-confined: {run: handlers/fetch.sh, sandbox: {level: confined, network: true, read: [\"[STORY]/ca.pem\"]}}\n";
        let fetch = "#!/bin/sh\nport=$(cat port) ca=[STORY]/ca.pem\n\
                     # 60: the peer is not trusted; 77 would be: no roots to read.\n\
                     curl -sS -o /dev/null https://127.0.0.1:$port/hello 2>/dev/null; echo $?\n\
                     CURL_CA_BUNDLE=$ca curl -sS https://127.0.0.1:$port/hello\n\
                     SSL_CERT_FILE=$ca python3 -c \"import urllib.request as r; print(r.urlopen('https://127.0.0.1:$port/hello').read().decode(), end='')\"\n\
                     GIT_SSL_CAINFO=$ca git ls-remote https://127.0.0.1:$port/some.git | cut -f2\n";
        let host = "levels: {minimum: confined}\nnetwork: [\"*\"]\nread: {fetch: [\"[STORY]/ca.pem\"], fetch-confined: [\"[STORY]/ca.pem\"]}\n";
        let files = [("handlers/index.yml", index), ("handlers/fetch.sh", fetch), ("port", "0")];
        let bench = Bench::new(user, host, &files, &["fetch", "fetch-confined"])?;
        bench.must(
            "cd ..; mkdir site; echo hello > site/hello; git clone -q --bare clone site/some.git; git -C site/some.git update-server-info
             openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out ca.pem -days 2 -subj /CN=test \
                 -addext subjectAltName=IP:127.0.0.1 2>/dev/null; chmod 644 ca.pem",
        )?;
        let path = |name: &str| bench.world.path(name);
        let server = Helper::python(TLS_SERVER, &[&path("site"), &path("ca.pem"), &path("key.pem")])?;
        bench.must(&format!("echo {} > port; git commit -qam port; git push -q; dispatch run", server.said))?;
        for kind in ["fetch", "fetch-confined"] {
            assert_eq!(bench.output(kind)?, "60\nhello\nhello\nHEAD\nrefs/heads/main\n", "{kind}");
        }
        drop(server);
        Ok(bench.world.close()?)
    })
}

/// Answers everything that is asked of it, and gives the first lines of each request until it is told to end.
fn proxy() -> io::Result<(u16, std::thread::JoinHandle<io::Result<Vec<String>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let serve = move || {
        let mut asked = Vec::new();
        loop {
            let (mut client, _) = listener.accept()?;
            let mut lines = BufReader::new(client.try_clone()?).lines();
            let head: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let Some(first) = head.first() else { return Ok(asked) };
            let allowed = head.iter().find(|line| line.to_lowercase().starts_with("proxy-authorization:"));
            asked.push(format!("{first} {}", allowed.map_or("", String::as_str).to_lowercase()));
            client.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\nproxied\n")?;
        }
    };
    Ok((port, std::thread::spawn(serve)))
}

#[test]
fn proxies_of_the_dispatcher_serve_those_who_have_the_network() -> Tested {
    for_each_user(|user| {
        let index = "curl: {run: handlers/curl.sh, sandbox: {network: true}}\n\
                     python: {run: handlers/fetch.py, sandbox: {network: true}}\n\
                     own: {run: handlers/show.sh, sandbox: {network: true}, env: {HTTP_PROXY: mine}}\n\
                     without: handlers/show.sh\n";
        let files = [
            ("handlers/index.yml", index),
            (
                "handlers/curl.sh",
                "curl -sS http://away.test/one\necho \"$http_proxy $no_proxy $HTTPS_PROXY\"\nprintf user:a-pass/word | base64\n",
            ),
            (
                "handlers/fetch.py",
                "import urllib.request as r\nprint(r.urlopen('http://away.test/two').read().decode(), end='')\n",
            ),
            ("handlers/show.sh", "env | grep -i proxy | sort || :\n"),
        ];
        let bench = Bench::new(user, "network: [curl, python, own]\n", &files, &["curl", "python", "own", "without"])?;
        let (port, asked) = proxy()?;
        bench.must(&format!(
            "export http_proxy=http://user:a-pass%2Fword@127.0.0.1:{port} HTTPS_PROXY=http://other:{port} no_proxy=near.test OTHER_PROXY=x
             dispatch run"
        ))?;
        // It ends where somebody has nothing to say.
        drop(std::net::TcpStream::connect(("127.0.0.1", port))?);
        let asked = asked.join().expect("no panic")?;
        let login = "proxy-authorization: basic dxnlcjphlxbhc3mvd29yza==";
        assert_eq!(
            asked,
            [
                format!("GET http://away.test/one HTTP/1.1 {login}"),
                format!("GET http://away.test/two HTTP/1.1 {login}")
            ]
        );
        assert_eq!(
            bench.output("curl")?,
            format!(
                "proxied\nhttp://user:[masked:http_proxy]@127.0.0.1:{port} near.test http://other:{port}\ndXNlcjp[masked:http_proxy]A==\n"
            )
        );
        assert_eq!(bench.output("python")?, "proxied\n");
        assert_eq!(
            bench.output("own")?,
            format!("HTTPS_PROXY=http://other:{port}\nHTTP_PROXY=mine\nno_proxy=near.test\n")
        );
        assert_eq!(bench.output("without")?, "");
        Ok(bench.world.close()?)
    })
}

#[test]
fn ssh_with_a_key_from_the_secrets() -> Tested {
    for_each_user(|user| {
        let index = "reach: {run: handlers/reach.sh, secrets: [SSH_KEY, KNOWN_HOSTS], sandbox: {network: true}}\n";
        // As docs/handler-contract.md says.
        let reach = "#!/bin/sh -eu\n\
                     ssh=\"ssh -i $DISPATCH_SECRETS/SSH_KEY -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=$DISPATCH_SECRETS/KNOWN_HOSTS\"\n\
                     read -r port user repository < target\n\
                     $ssh -p \"$port\" \"$user@127.0.0.1\" 'echo reached; exit 3' || echo \"ended $?\"\n\
                     GIT_SSH_COMMAND=$ssh git ls-remote \"ssh://$user@127.0.0.1:$port$repository\" main | cut -f2\n\
                     ssh-keygen -q -t ed25519 -N '' -f \"$HOME/.ssh-key\" && ls -A \"$HOME\"\n";
        let host = "network: [reach]\nsecrets:\n  SSH_KEY: {file: \"[STORY]/key\", kinds: [reach]}\n  \
                    KNOWN_HOSTS: {file: \"[STORY]/known_hosts\", kinds: [reach]}\n";
        let files = [("handlers/index.yml", index), ("handlers/reach.sh", reach), ("target", "x")];
        let bench = Bench::new(user, host, &files, &["reach"])?;
        let started = servers::ssh(bench.world.root());
        let server = match started {
            Err(error) if std::env::var("DISPATCH_TEST_SERVERS").is_ok_and(|value| value == "skip") => {
                eprintln!("SKIPPED: {error}");
                return Ok(bench.world.close()?);
            }
            started => started?,
        };
        // Another key, for which the server runs what is asked for; it belongs to the dispatcher's user.
        let keygen = "ssh-keygen -q -t ed25519 -N '' -C test -f ../key; cp ../ssh/known_hosts ../known_hosts; chmod 600 ../known_hosts";
        bench.world.must(keygen)?;
        if let Some(owner) = bench.user {
            for name in ["key", "known_hosts"] {
                give_away(&bench.world.path(name), owner)?;
            }
        }
        let key = fs::read_to_string(bench.world.path("key.pub"))?;
        fs::OpenOptions::new()
            .append(true)
            .open(bench.world.path("ssh/authorized_keys"))?
            .write_all(format!("restrict {key}").as_bytes())?;
        // The server is the test's user's, and so is the repository that it is asked for.
        bench.world.must("git init -q -b main ../ssh/some; git -C ../ssh/some commit -q --allow-empty -m one")?;
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid())?.expect("the test's user has a name").name;
        let repository = bench.world.path("ssh/some");
        bench.must(&format!(
            "echo {} {user} {} > target; git commit -qam target; git push -q; dispatch run",
            server.port,
            repository.display()
        ))?;
        assert_eq!(bench.output("reach")?, "reached\nended 3\nrefs/heads/main\n.ssh-key\n.ssh-key.pub\n");
        drop(server);
        Ok(bench.world.close()?)
    })
}
