//! What a request costs before anything is done with it: framing and recognising, and framing a reply.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dynomite_codec::{
    FrameLimits, ReplyFramer, ReplyLimits, Request, RequestFramer, WriteQueue, classify, lookup,
};

/// As many as a busy pipeline brings in one read.
const PIPELINE: usize = 128;

fn pipeline(request: &Request) -> BytesMut {
    BytesMut::from(&request.raw().repeat(PIPELINE)[..])
}

fn framing(criterion: &mut Criterion) {
    let value = [b'v'; 64];
    let requests = [
        ("get", Request::from_args([&b"GET"[..], b"user:1000000"])),
        ("set_64", Request::from_args([&b"SET"[..], b"user:1000000", &value])),
        ("set_ex", Request::from_args([&b"SET"[..], b"user:1000000", &value, b"EX", b"3600"])),
    ];
    let mut group = criterion.benchmark_group("framing");
    group.throughput(Throughput::Elements(PIPELINE as u64));
    for (name, request) in &requests {
        group.bench_function(format!("request/{name}"), |bencher| {
            bencher.iter_batched_ref(
                || (RequestFramer::new(FrameLimits::default()), pipeline(request)),
                |(framer, buf)| {
                    while let Ok(Some(request)) = framer.next(buf) {
                        black_box(request);
                    }
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("classify/{name}"), |bencher| {
            bencher.iter(|| {
                for _ in 0..PIPELINE {
                    black_box(classify(black_box(request)).is_ok());
                }
            });
        });
    }
    group.bench_function("lookup/zrangebyscore", |bencher| {
        bencher.iter(|| {
            for _ in 0..PIPELINE {
                black_box(lookup(black_box(b"ZRANGEBYSCORE")));
            }
        });
    });
    for (name, reply) in [("bulk_64", format!("$64\r\n{}\r\n", "v".repeat(64))), ("ok", "+OK\r\n".to_owned())]
    {
        group.bench_function(format!("reply/{name}"), |bencher| {
            bencher.iter_batched_ref(
                || {
                    (
                        ReplyFramer::new(ReplyLimits::default()),
                        BytesMut::from(reply.repeat(PIPELINE).as_bytes()),
                    )
                },
                |(framer, buf)| {
                    while let Ok(Some(reply)) = framer.next(buf) {
                        black_box(reply);
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.bench_function("write_queue/append_40", |bencher| {
        let mut queue = WriteQueue::new();
        bencher.iter(|| {
            for _ in 0..PIPELINE {
                queue.append(black_box(&value[..40]));
            }
            queue.advance(queue.len());
        });
    });
    group.finish();
}

/// A large request in reads of 8 KiB: the cost must be that of one pass.
fn large_request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mset_in_8k_reads");
    for pairs in [1_000usize, 64_000] {
        let args =
            (0..=2 * pairs).map(|index| if index == 0 { "MSET".into() } else { format!("arg:{index}") });
        let raw = Request::from_args(args.collect::<Vec<_>>()).raw().clone();
        group.throughput(Throughput::Bytes(raw.len() as u64));
        group.bench_function(format!("{pairs}_pairs"), |bencher| {
            bencher.iter(|| {
                let mut framer = RequestFramer::new(FrameLimits::default());
                let mut buf = BytesMut::with_capacity(raw.len());
                for piece in raw.chunks(8192) {
                    buf.extend_from_slice(piece);
                    black_box(framer.next(&mut buf).is_ok());
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, framing, large_request);
criterion_main!(benches);
