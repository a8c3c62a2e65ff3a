//! The image and the manifests: as strict as can be without a cluster or a builder of images. What neither can be asked here
//! (building the image, applying the manifests) is not; `tests/daemon/container.rs` carries the container's command line out.

use std::collections::BTreeSet;
use std::fs;

use codex_dispatch::host_file;
use codex_dispatch::schema::Schema;
use codex_dispatch::yaml::{self, Limits};
use serde_json::Value;

use crate::{Tested, root, text};

const FOLDER: &str = "deploy/kubernetes";

fn manifests() -> Vec<(String, Value)> {
    let mut names: Vec<String> = fs::read_dir(root().join(FOLDER))
        .expect("a folder of manifests")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(&name, &text(&format!("{FOLDER}/{name}"))))).collect()
}

fn read(name: &str, text: &str) -> Value {
    let node = yaml::read(name, text.as_bytes(), Limits::REPOSITORY).unwrap_or_else(|fault| panic!("{fault}"));
    node.value().clone()
}

fn faults(schema: &Schema, name: &str, text: &str) -> Vec<String> {
    let node = yaml::read(name, text.as_bytes(), Limits::REPOSITORY).unwrap_or_else(|fault| panic!("{fault}"));
    schema.validate(&node, "").iter().map(ToString::to_string).collect()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn manifests_have_no_field_that_nobody_looked_up() -> Tested {
    let schema = Schema::compile("kubernetes.schema.json", text("tests/deploy/kubernetes.schema.json").as_bytes())?;
    for (name, _) in manifests() {
        let text = text(&format!("{FOLDER}/{name}"));
        assert_eq!(faults(&schema, &name, &text), Vec::<String>::new(), "{name}");
    }
    let deployment = text(&format!("{FOLDER}/deployment.yaml"));
    for (one, other) in [
        ("livenessProbe:", "livenesProbe:"),
        ("runAsNonRoot: true", "runAsNonRoot: false"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: yes"),
        ("replicas: 1", "replicas: 2"),
        ("codex-dispatch:0.1.0", "codex-dispatch:latest"),
        ("periodSeconds: 30", "periodSeconds: 30s"),
        ("claimName:", "name:"),
    ] {
        assert!(deployment.contains(one), "{one}");
        assert_ne!(
            faults(&schema, "deployment.yaml", &deployment.replacen(one, other, 1)),
            Vec::<String>::new(),
            "{other}"
        );
    }
    Ok(())
}

#[test]
fn manifests_fit_each_other_and_the_image() -> Tested {
    let all = manifests();
    let of = |kind: &str| &all.iter().find(|(_, document)| document["kind"] == kind).expect(kind).1;
    let name_of = |kind: &str| of(kind)["metadata"]["name"].as_str().expect("a name").to_owned();
    let deployment = of("Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(deployment["spec"]["selector"]["matchLabels"], deployment["spec"]["template"]["metadata"]["labels"]);
    assert_eq!(
        of("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        deployment["spec"]["selector"]["matchLabels"]
    );

    let volumes = pod["volumes"].as_array().expect("volumes");
    let named: BTreeSet<&str> = volumes.iter().filter_map(|volume| volume["name"].as_str()).collect();
    for container in pod["initContainers"].as_array().into_iter().chain(pod["containers"].as_array()).flatten() {
        let mounts = container["volumeMounts"].as_array().expect("mounts");
        let mounted: BTreeSet<&str> = mounts.iter().filter_map(|mount| mount["name"].as_str()).collect();
        assert_eq!(mounted, named);
        // What is mounted inside another mount needs a folder there, and that one may be read-only.
        let paths: Vec<&str> = mounts.iter().filter_map(|mount| mount["mountPath"].as_str()).collect();
        for path in &paths {
            assert!(!paths.iter().any(|other| other.starts_with(&format!("{path}/"))), "{paths:?}");
        }
    }
    let find =
        |key: &str, field: &str| volumes.iter().find_map(|volume| volume[key][field].as_str()).expect(key).to_owned();
    assert_eq!(find("persistentVolumeClaim", "claimName"), name_of("PersistentVolumeClaim"));
    assert_eq!(find("configMap", "name"), name_of("ConfigMap"));
    assert_eq!(find("secret", "secretName"), name_of("Secret"));
    let listed = strings(&of("Kustomization")["resources"]);
    for (name, document) in &all {
        // The secret is an example, and is not applied by accident.
        let applied = !matches!(document["kind"].as_str(), Some("Kustomization" | "Secret"));
        assert_eq!(listed.contains(name), applied, "{name}");
    }

    let host = of("ConfigMap")["data"]["host.yaml"].as_str().expect("a host file");
    let host = host_file::parse("host.yaml", host.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let grace = pod["terminationGracePeriodSeconds"].as_u64().expect("a number");
    assert!(grace > host.drain.as_secs() + 40, "a stop has no time to drain");
    let dockerfile = text("deploy/docker/Dockerfile");
    let user = pod["securityContext"]["runAsUser"].as_u64().expect("a number");
    assert!(dockerfile.contains(&format!("\nUSER {user}:{user}\n")), "the image has another user");
    let version = format!("codex-dispatch:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(pod["containers"][0]["image"], version.as_str(), "the manifests name another version");
    Ok(())
}

/// The rules of builders of images that matter here.
#[test]
fn the_image_is_pinned_small_and_nobody_of_importance() {
    let file = text("deploy/docker/Dockerfile").replace("\\\n", " ");
    let lines: Vec<&str> =
        file.lines().filter(|line| !line.trim_start().starts_with('#') && !line.is_empty()).collect();
    let of = |word: &str| -> Vec<&str> {
        lines.iter().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).map(str::trim).collect()
    };
    let toolchain = text("rust-toolchain.toml");
    let stages = of("FROM");
    assert_eq!(stages.len(), 2);
    for stage in &stages {
        let image = stage.split(' ').next().expect("an image");
        assert!(
            image.split_once(':').is_some_and(|(_, tag)| tag.contains('.') || tag.contains("-20")),
            "{stage}: not pinned"
        );
    }
    let rust = stages[0].split([':', '-']).nth(1).expect("a version");
    assert!(toolchain.contains(&format!("\"{rust}\"")), "the image is built with another Rust than {toolchain}");
    assert!(of("ADD").is_empty());
    assert!(of("COPY").iter().filter(|copy| copy.contains("--from=")).all(|copy| copy.contains("--from=build ")));
    for run in of("RUN").iter().filter(|run| run.contains("apt-get install")) {
        assert!(run.contains("apt-get update") && run.contains("--no-install-recommends"), "{run}");
        assert!(run.contains("rm -rf /var/lib/apt/lists/*"), "{run}");
    }
    let user = of("USER").last().copied().expect("a user");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}: by number, and not root");
    for exec in [of("ENTRYPOINT"), of("CMD")].concat() {
        assert!(serde_json::from_str::<Vec<String>>(exec).is_ok(), "{exec}: by a shell");
    }
    let health = of("HEALTHCHECK")[0].split_once("CMD").expect("a command").1;
    let health: Vec<String> = serde_json::from_str(health.trim()).expect("a list");
    assert!(health.contains(&"health".to_owned()) && health.contains(&"--live".to_owned()));
}
