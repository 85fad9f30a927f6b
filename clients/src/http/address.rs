//! Where an address leads: the internet, a private network, this machine, this link.
//!
//! A registry chooses where its downloads are redirected to. Were any address followed, it could make the
//! machine that builds archives ask services that trust their network: a cloud's metadata service, an
//! administration port on loopback.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What sort of network an address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// The internet.
    Public,
    /// A private network: RFC 1918, RFC 6598 (carriers), RFC 2544 (benchmarks), RFC 4193 (IPv6 unique local), RFC 3879
    /// (IPv6 site-local, given up), and what a translator of one's own reaches (RFC 8215).
    Private,
    /// This machine.
    Loopback,
    /// Link-local, where cloud metadata services live; and everything that is no single host.
    Special,
}

/// The class of an address, by the special-purpose registries of IANA (RFC 6890).
#[must_use]
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    if address.is_loopback() {
        AddressClass::Loopback
    } else if address.is_private() || (a == 100 && b & 0xc0 == 64) || (a == 198 && b & 0xfe == 18) {
        AddressClass::Private
    } else if address.is_link_local()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || [a, b, c] == [192, 0, 0]
    {
        AddressClass::Special
    } else {
        AddressClass::Public
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let segments = address.segments();
    // The forms that carry an IPv4 address reach that address: mapped (RFC 4291), NAT64 (RFC 6052), 6to4.
    let embedded = match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => address.to_ipv4_mapped(),
    };
    if let Some(address) = embedded {
        return classify_v4(address);
    }
    if address.is_loopback() {
        AddressClass::Loopback
    } else if address.is_unique_local() || matches!(segments, [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..]) {
        AddressClass::Private
    } else if address.is_unicast_link_local() || address.is_multicast() || address.is_unspecified() {
        AddressClass::Special
    } else {
        AddressClass::Public
    }
}

/// Whether a host, without its port, is this machine by its name: 127.0.0.0/8, `[::1]`, `localhost`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || literal(host).is_some_and(|address| classify(address) == AddressClass::Loopback)
}

/// The address that a host is, when it is one and not a name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The classes of all addresses of a host, asked of the system's resolver.
pub(crate) async fn classes_of(
    host: &str,
    classify: fn(IpAddr) -> AddressClass,
) -> std::io::Result<HashSet<AddressClass>> {
    if let Some(address) = literal(host) {
        return Ok(HashSet::from([classify(address)]));
    }
    let addresses = tokio::net::lookup_host((host, 0)).await?;
    Ok(addresses.map(|address| classify(address.ip())).collect())
}

/// A resolver that knows addresses of one class only. It stands between the check and the connection, so
/// a name that changes its address in between gains nothing.
pub(crate) struct Guard {
    /// The class that is allowed.
    pub(crate) class: AddressClass,
    /// What sort of address an address is.
    pub(crate) classify: fn(IpAddr) -> AddressClass,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (class, classify) = (self.class, self.classify);
        Box::pin(async move {
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                addresses.filter(|address| classify(address.ip()) == class).collect();
            if allowed.is_empty() {
                return Err(Box::new(NoAllowedAddress(class)).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// How the refusal of a [`Guard`] begins, by which it is found among the causes of a failed connection.
pub(crate) const NOT_ALLOWED: &str = "found no address of the allowed class";

/// None of a name's addresses belongs to the class that may be connected to.
#[derive(Debug)]
pub(crate) struct NoAllowedAddress(AddressClass);

impl fmt::Display for NoAllowedAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{NOT_ALLOWED} {:?}", self.0)
    }
}

impl std::error::Error for NoAllowedAddress {}

/// A guard for a client that follows redirects within `class`.
pub(crate) fn guard(class: AddressClass, classify: fn(IpAddr) -> AddressClass) -> Arc<Guard> {
    Arc::new(Guard { class, classify })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_of_an_inner_network_passes_for_public() {
        for (address, class) in [
            ("8.8.8.8", AddressClass::Public),
            ("2606:4700::1111", AddressClass::Public),
            ("172.15.0.1", AddressClass::Public),
            ("10.1.2.3", AddressClass::Private),
            ("172.16.0.1", AddressClass::Private),
            ("192.168.1.1", AddressClass::Private),
            ("100.64.0.1", AddressClass::Private),
            ("198.18.0.1", AddressClass::Private),
            ("198.19.255.255", AddressClass::Private),
            ("198.20.0.1", AddressClass::Public),
            ("fd00::1", AddressClass::Private),
            ("fec0::1", AddressClass::Private),
            ("64:ff9b:1::a00:1", AddressClass::Private),
            ("::ffff:10.0.0.1", AddressClass::Private),
            ("64:ff9b::a00:1", AddressClass::Private),
            ("2002:a00:1::", AddressClass::Private),
            ("127.0.0.1", AddressClass::Loopback),
            ("127.9.9.9", AddressClass::Loopback),
            ("::1", AddressClass::Loopback),
            ("::ffff:127.0.0.1", AddressClass::Loopback),
            ("169.254.169.254", AddressClass::Special),
            ("fe80::1", AddressClass::Special),
            ("192.0.0.170", AddressClass::Special),
            ("192.0.1.1", AddressClass::Public),
            ("0.0.0.0", AddressClass::Special),
            ("::", AddressClass::Special),
            ("224.0.0.1", AddressClass::Special),
            ("255.255.255.255", AddressClass::Special),
            ("ff02::1", AddressClass::Special),
        ] {
            assert_eq!(classify(address.parse().unwrap()), class, "{address}");
        }
    }

    #[test]
    fn loopback_is_known_by_its_names() {
        for host in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "LocalHost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "128.0.0.1", "registry", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
