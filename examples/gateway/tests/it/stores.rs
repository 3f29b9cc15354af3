//! Redis and PostgreSQL, which several gateways share, killed and started again. `REDIS_SERVER` and `POSTGRES_BIN` name
//! the programs; without them it is skipped.

#[cfg(feature = "postgres")]
mod postgres {
    use std::time::Duration;

    use store_harness::Postgres;
    use token_server_postgres::Store;
    use tower_client_auth::{AuthMethod, secret::GeneratedSecret};

    use crate::support::{FORM, Files, Gateway, Upstream, call, config, until};

    fn status(gateway: &Gateway, id: &str, secret: &GeneratedSecret) -> u16 {
        let form = format!("client_id={id}&client_secret={}", secret.expose());
        call(gateway.address(), "POST /token", &[FORM], &form).status()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn clients_of_the_database_change_at_once_and_outlive_it() {
        let Some(mut database) = Postgres::start().unwrap() else { return };
        let store = Store::open(&database.url()).unwrap();
        store.migrate().await.unwrap();
        let method = AuthMethod::ClientSecretPost;
        let first = store.register("batch", &method, "Batch").await.unwrap().unwrap();
        let upstream = Upstream::silent();
        let url = format!("postgres = \"{}\"\ncache_seconds = 3600", database.url());
        let rest =
            format!("[[route]]\npath = \"/token\"\nupstream = \"http://{}\"", upstream.address);
        let config = config(&rest).replace("file = \"clients.json\"\npoll_seconds = 1", &url);
        let gateway = Gateway::start_in(Files::new(&config), 1);
        assert_eq!(status(&gateway, "batch", &first), 204);
        assert_eq!(status(&gateway, "nobody", &first), 401);
        assert_eq!(upstream.received().header("x-client-id"), Some("batch"));
        // It is told of a change, although it remembers clients for an hour.
        let second = store.rotate("batch", "second", Duration::ZERO).await.unwrap();
        until(|| status(&gateway, "batch", &second) == 204);
        assert_eq!(status(&gateway, "batch", &first), 401);
        // What it remembers outlives the database, and a reload.
        database.kill();
        gateway.signal("-HUP");
        gateway.wait_for(&[("message", "the configuration was read again")]);
        assert_eq!(status(&gateway, "batch", &second), 204);
        assert_eq!(status(&gateway, "stranger", &second), 503);
        database.restart().unwrap();
        until(|| status(&gateway, "stranger", &second) == 401);
    }
}

#[cfg(feature = "redis")]
mod redis {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        thread,
    };

    use store_harness::Redis;

    use crate::{
        remembered::{assertion, files},
        support::{BASIC, FORM, Gateway, Upstream, WRONG, call, until},
    };

    fn gateway(redis: &Redis, upstream: &Upstream, rest: &str) -> Gateway {
        let url = redis.url();
        Gateway::start_in(files(upstream, &format!("{rest}[redis]\nurl = \"{url}\"\n")), 1)
    }

    /// A proxy in front of Redis.
    struct Relay {
        url: String,
        opened: Arc<AtomicUsize>,
        /// So many of the connections, the first ones, say nothing more.
        silent: Arc<AtomicUsize>,
        loses: Arc<AtomicBool>,
    }

    impl Relay {
        fn start(redis: &Redis) -> Self {
            let behind = redis.url().replace("redis://", "").replace('/', "");
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("redis://{}/", listener.local_addr().unwrap());
            let [opened, silent] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
            let relay = Self { url, opened, silent, loses: Arc::default() };
            let (opened, silent) = (Arc::clone(&relay.opened), Arc::clone(&relay.silent));
            let loses = Arc::clone(&relay.loses);
            thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let number = opened.fetch_add(1, Ordering::SeqCst);
                    let server = TcpStream::connect(&behind).unwrap();
                    let back = (server.try_clone().unwrap(), stream.try_clone().unwrap(), true);
                    for (mut from, mut to, answers) in [(stream, server, false), back] {
                        let (silent, loses) = (Arc::clone(&silent), Arc::clone(&loses));
                        thread::spawn(move || {
                            let mut bytes = [0; 4096];
                            while let Ok(read @ 1..) = from.read(&mut bytes) {
                                if answers && loses.swap(false, Ordering::SeqCst) {
                                    continue;
                                }
                                let is_silent = number < silent.load(Ordering::SeqCst);
                                if !is_silent && to.write_all(&bytes[..read]).is_err() {
                                    break;
                                }
                            }
                        });
                    }
                }
            });
            relay
        }

        /// Its open connections say nothing more.
        fn hang(&self) {
            self.silent.store(self.opened.load(Ordering::SeqCst), Ordering::SeqCst);
        }

        /// The next answer does not arrive.
        fn lose(&self) {
            self.loses.store(true, Ordering::SeqCst);
        }

        fn has_lost(&self) -> bool {
            !self.loses.load(Ordering::SeqCst)
        }
    }

    fn post(gateway: &Gateway, lines: &[&str], form: &str) -> u16 {
        call(gateway.address(), "POST /token", lines, form).status()
    }

    /// A gateway that has its used assertions in a Redis beyond `relay`.
    fn beyond(relay: &Relay, upstream: &Upstream) -> Gateway {
        let settings = format!(
            "[assertions]\nissuer = \"https://as.example\"\nreplay = \"redis\"\n[redis]\nurl = \"{}\"\n",
            relay.url,
        );
        Gateway::start_in(files(upstream, &settings), 1)
    }

    #[test]
    fn assertion_that_one_gateway_took_is_taken_by_none() {
        let Some(mut redis) = Redis::start().unwrap() else { return };
        let upstream = Upstream::silent();
        let settings = "[assertions]\nissuer = \"https://as.example\"\nreplay = \"redis\"\n";
        let gateways = [(); 2].map(|()| gateway(&redis, &upstream, settings));
        let [one, two] = &gateways;
        let used = assertion();
        assert_eq!(post(one, &[FORM], &used), 204);
        assert_eq!(post(two, &[FORM], &used), 401);
        // Without it nobody can tell, and who does not sign does not need it.
        redis.kill();
        assert_eq!(post(one, &[FORM], &assertion()), 503);
        assert_eq!(post(one, &[FORM, BASIC], "a=b"), 204);
        redis.restart().unwrap();
        until(|| post(one, &[FORM], &assertion()) == 204);
        assert_eq!(post(one, &[FORM], &used), 401);
    }

    #[test]
    fn connection_that_hangs_is_made_anew() {
        let Some(redis) = Redis::start().unwrap() else { return };
        let relay = Relay::start(&redis);
        let upstream = Upstream::silent();
        let gateway = beyond(&relay, &upstream);
        let used = assertion();
        assert_eq!(post(&gateway, &[FORM], &used), 204);
        relay.hang();
        assert_eq!(post(&gateway, &[FORM], &assertion()), 503);
        gateway.wait_for(&[("reason", "replay_store")]);
        until(|| post(&gateway, &[FORM], &assertion()) == 204);
        assert_eq!(post(&gateway, &[FORM], &used), 401);
    }

    // Redis answers in order, and names no question: the answer to the next one would be that to the one that was lost.
    #[test]
    fn replay_is_not_accepted_where_an_answer_of_redis_is_lost() {
        let Some(redis) = Redis::start().unwrap() else { return };
        let relay = Relay::start(&redis);
        let upstream = Upstream::silent();
        let gateway = beyond(&relay, &upstream);
        let used = assertion();
        assert_eq!(post(&gateway, &[FORM], &used), 204);
        relay.lose();
        let address = gateway.address();
        let ask = |assertion: &str| call(address, "POST /token", &[FORM], assertion).status();
        thread::scope(|scope| {
            let unanswered = scope.spawn(|| ask(&assertion()));
            until(|| relay.has_lost());
            let replay = scope.spawn(|| ask(&used));
            // It ends with the answer to the replay, and the connection with it.
            assert_eq!(unanswered.join().unwrap(), 503);
            gateway.wait_for(&[("reason", "it answers another question")]);
            assert_eq!(ask(&assertion()), 204);
            assert_eq!(replay.join().unwrap(), 503);
        });
        assert_eq!(post(&gateway, &[FORM], &used), 401);
    }

    // It waits for less than the connection does, and drops what it waits for.
    #[test]
    fn connection_that_hangs_is_made_anew_for_the_throttle() {
        let Some(redis) = Redis::start().unwrap() else { return };
        let relay = Relay::start(&redis);
        let upstream = Upstream::silent();
        let throttle = "[throttle]\nstore = \"redis\"\nper_client = 2\nperiod_seconds = 3600\n";
        let one = gateway(&redis, &upstream, throttle);
        let two = format!("{throttle}[redis]\nurl = \"{}\"\n", relay.url);
        let two = Gateway::start_in(files(&upstream, &two), 1);
        assert_eq!([post(&one, &[FORM, WRONG], ""), post(&one, &[FORM, WRONG], "")], [401; 2]);
        until(|| post(&two, &[FORM, BASIC], "a=b") == 429);
        relay.hang();
        assert_eq!(post(&two, &[FORM, BASIC], "a=b"), 204);
        until(|| post(&two, &[FORM, BASIC], "a=b") == 429);
    }

    #[test]
    fn who_guesses_at_one_gateway_waits_at_all() {
        let Some(mut redis) = Redis::start().unwrap() else { return };
        let upstream = Upstream::silent();
        let settings = "[throttle]\nstore = \"redis\"\nper_client = 2\nperiod_seconds = 3600\n";
        let gateways = [(); 2].map(|()| gateway(&redis, &upstream, settings));
        let [one, two] = &gateways;
        assert_eq!([post(one, &[FORM, WRONG], ""), post(one, &[FORM, WRONG], "")], [401; 2]);
        // A failure is noted by a task, for which no answer waits.
        until(|| post(two, &[FORM, BASIC], "a=b") == 429);
        // Each for itself, while it is away.
        redis.kill();
        until(|| post(two, &[FORM, BASIC], "a=b") == 204);
        assert_eq!(post(one, &[FORM, BASIC], "a=b"), 429);
        redis.restart().unwrap();
        until(|| post(two, &[FORM, BASIC], "a=b") == 429);
    }
}
