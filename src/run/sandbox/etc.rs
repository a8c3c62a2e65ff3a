//! What of `/etc` a handler sees at `isolated` and `confined`.
//!
//! Owns the two lists. An entry says nothing about this host but how programs and names are found, and whom they trust; where a machine lacks one
//! it is not shown. Never: a folder that by custom holds private keys (`/etc/ssl/private`, `/etc/pki/tls/private`), not even where everybody may
//! read it; hence the folders beside them one by one. `passwd` and `group` are made for each job and stand in neither list.

/// Always: how programs are found, how they tell time, and the roots that TLS trusts as Debian, Fedora, SUSE, Alpine and Arch keep them.
pub(super) const SHOWN: [&str; 17] = [
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
];

/// With network: how names of hosts, services and protocols are found. `resolv.conf` comes besides, since it often is a link out of `/etc`.
/// Taken anew for each job, because these are replaced while a slot lives.
pub(super) const WITH_NETWORK: [&str; 5] = ["gai.conf", "host.conf", "hosts", "protocols", "services"];
