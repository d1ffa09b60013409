//! The sockets on which a node listens.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// One listener for each of `count` workers, all on one address; with port 0, on a port that is free.
///
/// # Errors
/// When the address cannot be bound; also when another process shares it with `SO_REUSEPORT`.
pub(crate) fn client_listeners(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // Without sharing first: two nodes that were given the same address would otherwise take each other's clients.
    let only = bind(address, false)?;
    if count <= 1 {
        return Ok(vec![listen(only)?]);
    }
    let address = only.local_addr()?.as_socket().unwrap_or(address);
    drop(only);
    (0..count).map(|_| listen(bind(address, true)?)).collect()
}

/// The listener for peers.
///
/// # Errors
/// As [`client_listeners`].
pub(crate) fn peer_listener(address: SocketAddr) -> io::Result<TcpListener> {
    listen(bind(address, false)?)
}

fn bind(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if is_shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(socket: Socket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_refused_however_many_workers_share_it() {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = client_listeners(local, 2).unwrap();
        let address = first[0].local_addr().unwrap();
        assert_eq!(first[1].local_addr().unwrap(), address);
        for count in [1, 2] {
            assert_eq!(client_listeners(address, count).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        drop(first);
        assert_eq!(client_listeners(address, 1).unwrap()[0].local_addr().unwrap(), address);
    }
}
