//! Many clients that all use Basic, each of which is as likely to ask next as another: what finding
//! one of them costs, in a bare map and in the programs.

use std::{collections::HashMap, hint::black_box};

use http::{Request, StatusCode};
use tower::{Layer, service_fn};

use super::{
    clients::{self, Client, FixedHasher},
    drive::InProcess,
    stack::{self, Stack, Visit},
    work::{Case, Frames, Shape},
};

/// What the clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// A map from ids to secrets: one look-up, and a comparison with `==`.
    Map,
    /// A service that does not look for them: what the requests themselves cost.
    Bare,
    Floor,
    Memory,
    /// The same with a throttle; the clients share an address.
    Throttled,
    #[cfg(feature = "cache")]
    Cached,
}

/// Requests are made first, and served later: making them is not what is measured.
pub(crate) trait Served {
    /// One request of each of these clients, in place of those before.
    fn make(&mut self, clients: &[u64]);

    fn serve(&mut self);
}

impl Crowd {
    pub(crate) const ALL: &[Self] = &[
        Self::Map,
        Self::Bare,
        Self::Floor,
        Self::Memory,
        #[cfg(feature = "cache")]
        Self::Cached,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Map => "bare map",
            Self::Bare => Stack::Collect.name(),
            Self::Floor => Stack::Floor.name(),
            Self::Memory => Stack::LayerMemory.name(),
            Self::Throttled => Stack::LayerThrottled.name(),
            #[cfg(feature = "cache")]
            Self::Cached => Stack::LayerCached.name(),
        }
    }

    /// The program, with so many clients.
    pub(crate) fn of(self, count: u64) -> Box<dyn Served> {
        match self {
            Self::Map => Box::new(Bare::new(count)),
            _ => Box::new(Program::new(self, count)),
        }
    }

    /// As [`Stack::visit`]; the map is no service, and counts as the bare one.
    pub(crate) fn visit<V: Visit<Frames>>(self, count: u64, visitor: V) -> V::Output {
        let crowd = clients::basic(count);
        match self {
            Self::Map | Self::Bare => visitor.visit(service_fn(stack::collect)),
            Self::Floor => visitor.visit(stack::floor(crowd).layer(service_fn(stack::collect))),
            Self::Memory => {
                let layer = stack::usual(clients::memory(crowd));
                visitor.visit(layer.layer(service_fn(stack::collect)))
            }
            Self::Throttled => {
                let layer = stack::usual(clients::memory(crowd)).throttle(stack::throttle());
                visitor.visit(stack::from_peer(layer.layer(service_fn(stack::collect))))
            }
            #[cfg(feature = "cache")]
            Self::Cached => {
                let layer = stack::usual(clients::cached(count, crowd));
                visitor.visit(layer.layer(service_fn(stack::collect)))
            }
        }
    }
}

/// A request of one of them.
pub(crate) fn request(client: u64, count: u64) -> Request<Frames> {
    Case::Basic.request(client, 4 * count, Shape::Usual)
}

/// A map as an application has it.
pub(crate) fn map(count: u64) -> HashMap<String, String, FixedHasher> {
    // `format!` leaves room for more.
    let id = |client: Client| (client.id.into_boxed_str().into_string(), client.secret);
    clients::basic(count).map(id).collect()
}

/// The map, with a request of the bare service after each look-up, as in a server. Asked again and again,
/// it finds one client while it still waits for the one before.
pub(crate) fn between(count: u64) -> Box<dyn Served> {
    Box::new(Between { map: Bare::new(count), bare: Program::new(Crowd::Bare, count) })
}

struct Between {
    map: Bare,
    bare: Program,
}

impl Served for Between {
    fn make(&mut self, clients: &[u64]) {
        self.map.make(clients);
        self.bare.make(clients);
    }

    fn serve(&mut self) {
        let Self { map, bare: Program { program, made, .. } } = self;
        for (asked, request) in map.made.iter().zip(made.drain(..)) {
            map.ask(asked);
            assert_eq!(program(request), StatusCode::OK, "refused");
        }
    }
}

struct Bare {
    map: HashMap<String, String, FixedHasher>,
    count: u64,
    made: Vec<Client>,
}

impl Bare {
    fn new(count: u64) -> Self {
        Self { map: map(count), count, made: Vec::new() }
    }

    fn ask(&self, client: &Client) {
        assert!(black_box(self.map.get(&client.id) == Some(&client.secret)), "refused");
    }
}

impl Served for Bare {
    fn make(&mut self, clients: &[u64]) {
        self.made = clients.iter().map(|n| Client::new(4 * (n % self.count))).collect();
    }

    fn serve(&mut self) {
        self.made.iter().for_each(|asked| self.ask(asked));
    }
}

struct Program {
    program: Box<dyn FnMut(Request<Frames>) -> StatusCode>,
    count: u64,
    made: Vec<Request<Frames>>,
}

impl Program {
    fn new(crowd: Crowd, count: u64) -> Self {
        Self { program: crowd.visit(count, InProcess { cloned: false }), count, made: Vec::new() }
    }
}

impl Served for Program {
    fn make(&mut self, clients: &[u64]) {
        self.made = clients.iter().map(|client| request(*client, self.count)).collect();
    }

    fn serve(&mut self) {
        for request in self.made.drain(..) {
            assert_eq!((self.program)(request), StatusCode::OK, "refused");
        }
    }
}
