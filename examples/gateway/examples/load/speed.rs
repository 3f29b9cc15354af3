//! What a request costs, in one run: forwarded by a proxy that does not authenticate, by the gateway, and by nginx that
//! asks the gateway.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower_client_auth::BoxError;

use crate::servers::{Folder, Program};

const CONNECTIONS: usize = 16;
/// Each is measured as often, by turns, so that what else the machine does meets all of them.
const ROUNDS: usize = 5;
const BASIC: &str = "Basic YmF0Y2g6Z1g5a1daMmM=";
const CLIENTS: &str = r#"[{"client_id": "batch", "client_secret": "gX9kWZ2c"}]"#;

const NGINX: &str = "
daemon off;
pid FOLDER/pid;
error_log FOLDER/error.log;
worker_processes 2;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    keepalive_requests 1000000000;
    upstream origin { server ORIGIN; keepalive 64; keepalive_requests 1000000000; }
    upstream gateway { server GATEWAY; keepalive 64; keepalive_requests 1000000000; }
    server {
        listen 127.0.0.1:PORT;
        location / {
            auth_request /_auth;
            auth_request_set $client_id $upstream_http_x_client_id;
            proxy_set_header X-Client-Id $client_id;
            proxy_set_header Authorization \"\";
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_pass http://origin;
        }
        location = /_auth {
            internal;
            proxy_pass http://gateway/check;
            proxy_pass_request_body off;
            proxy_set_header Content-Length \"\";
            proxy_set_header X-Original-URI $request_uri;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }
    }
}
";

/// What is measured.
struct Way {
    name: &'static str,
    url: String,
    method: Method,
    body: &'static str,
    /// Whose time counts.
    pids: Vec<u32>,
    rates: Vec<f64>,
    costs: Vec<f64>,
}

/// Seconds of both kinds that processes have used.
fn used(pids: &[u32]) -> Result<f64, BoxError> {
    let mut ticks = 0.0;
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, rest) = stat.rsplit_once(')').ok_or("no stat")?;
        let fields: Vec<_> = rest.split_whitespace().collect();
        for field in fields.get(11..13).ok_or("no times")? {
            ticks += field.parse::<f64>()?;
        }
    }
    Ok(ticks / 100.0)
}

fn children(pid: u32) -> Result<Vec<u32>, BoxError> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(children.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

impl Way {
    async fn measure(&mut self, time: Duration) -> Result<(), BoxError> {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let (before, began) = (used(&self.pids)?, Instant::now());
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (client, url) = (client.clone(), self.url.clone());
                let (method, body) = (self.method.clone(), self.body);
                tokio::spawn(async move {
                    let mut done = 0_u64;
                    while began.elapsed() < time {
                        let request = Request::builder()
                            .method(method.clone())
                            .uri(&*url)
                            .header("authorization", BASIC)
                            .header("user-agent", "load/1.0")
                            .header("accept", "*/*");
                        let request = if body.is_empty() {
                            request
                        } else {
                            request.header("content-type", "application/x-www-form-urlencoded")
                        };
                        let answer = client.request(request.body(Full::from(body))?).await?;
                        if !answer.status().is_success() {
                            return Err(BoxError::from(answer.status().to_string()));
                        }
                        answer.into_body().collect().await?;
                        done += 1;
                    }
                    Ok(done)
                })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            done += task.await??;
        }
        let done = done as f64;
        self.rates.push(done / began.elapsed().as_secs_f64());
        self.costs.push((used(&self.pids)? - before) * 1e6 / done);
        Ok(())
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

struct Nginx(Child);

impl Nginx {
    fn start(
        folder: &Folder,
        origin: &str,
        gateway: &str,
    ) -> Result<Option<(Self, String)>, BoxError> {
        let Ok(program) = std::env::var("NGINX_PROGRAM") else { return Ok(None) };
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let text = NGINX
            .replace("FOLDER", &folder.0.display().to_string())
            .replace("ORIGIN", origin)
            .replace("GATEWAY", gateway)
            .replace("PORT", &port.port().to_string());
        let file = folder.write("nginx.conf", text)?;
        let mut command = Command::new(program);
        command.arg("-p").arg(&folder.0).arg("-e").arg(folder.0.join("start.log"));
        let child = command.arg("-c").arg(file).stdout(Stdio::null()).spawn()?;
        let nginx = Self(child);
        let began = Instant::now();
        while std::net::TcpStream::connect(port).is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("nginx did not start".into());
            }
            std::thread::yield_now();
        }
        Ok(Some((nginx, port.to_string())))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers.
        let _told = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ended = self.0.wait();
    }
}

fn configured(folder: &Folder, origin: &str) -> Result<std::path::PathBuf, BoxError> {
    folder.write("clients.json", CLIENTS)?;
    let identity =
        "[identity]\nclient_id = \"x-client-id\"\nauth_method = \"x-client-auth-method\"\n";
    let routes = format!(
        "[[route]]\npath = \"/form\"\nupstream = \"http://{origin}\"\n\
         [[route]]\npath = \"/stream\"\nheaders_only = true\nupstream = \"http://{origin}\"\n\
         [[route]]\npath = \"/check\"\nforward_auth = true\n"
    );
    let listener = "[[listener]]\naddress = \"127.0.0.1:0\"\n[clients]\nfile = \"clients.json\"\n";
    folder.write("gateway.toml", format!("{listener}{identity}{routes}"))
}

pub(crate) async fn run(time: Duration) -> Result<bool, BoxError> {
    let folder = Folder::new()?;
    let origin = Program::own(&["static"])?;
    let bare = Program::own(&["bare", &format!("http://{}", origin.address)])?;
    let config = configured(&folder, &origin.address)?;
    let gateway = Program::gateway(Path::new(&config))?;
    let nginx = Nginx::start(&folder, &origin.address, &gateway.address)?;
    let way = |name, address: &str, path: &str, method, body, pids| Way {
        name,
        url: format!("http://{address}{path}"),
        method,
        body,
        pids,
        rates: Vec::new(),
        costs: Vec::new(),
    };
    let form = "grant_type=client_credentials&scope=a+b";
    let mut ways = vec![
        way("bare proxy, form", &bare.address, "/form", Method::POST, form, vec![bare.pid()]),
        way("gateway, form", &gateway.address, "/form", Method::POST, form, vec![gateway.pid()]),
        way("bare proxy, GET", &bare.address, "/stream", Method::GET, "", vec![bare.pid()]),
        way("gateway, GET", &gateway.address, "/stream", Method::GET, "", vec![gateway.pid()]),
    ];
    if let Some((nginx, address)) = &nginx {
        let mut pids = children(nginx.0.id())?;
        pids.push(gateway.pid());
        ways.push(way("nginx asks the gateway, GET", address, "/", Method::GET, "", pids));
    } else {
        println!("SKIPPED: nginx, which NGINX_PROGRAM does not name");
    }
    let slice = time / u32::try_from(ROUNDS * ways.len()).unwrap_or(1);
    for way in &mut ways {
        way.measure(Duration::from_millis(300)).await?;
        (way.rates, way.costs) = (Vec::new(), Vec::new());
    }
    for _ in 0..ROUNDS {
        for way in &mut ways {
            way.measure(slice).await?;
        }
    }
    println!("{CONNECTIONS} connections, median of {ROUNDS} rounds of {slice:?}");
    println!("{:30} {:>12} {:>16}", "", "requests/s", "CPU µs/request");
    for way in &ways {
        println!("{:30} {:>12.0} {:>16.1}", way.name, median(&way.rates), median(&way.costs));
    }
    for (bare, gateway) in [(0, 1), (2, 3)] {
        if let (Some(bare), Some(gateway)) = (ways.get(bare), ways.get(gateway)) {
            let rate = median(&gateway.rates) / median(&bare.rates);
            let cost = median(&gateway.costs) / median(&bare.costs);
            println!(
                "{} to the bare proxy: {rate:.2} of its requests/s, {cost:.2} of its CPU",
                gateway.name
            );
        }
    }
    Ok(true)
}
