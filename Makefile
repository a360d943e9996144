# freshet: the two commands are `make demo` and `make test`; everything they need is installed first
# (NO_INSTALL=1: only checked). `make` builds build/release/freshet, `make install PREFIX=/usr/local`
# installs it. `make help` lists the rest.

PREFIX ?= /usr/local
DESTDIR ?=
SHARDS ?= auto
DEMO_SECONDS ?= 20
SEEDS ?= 1000
SEED ?= 1
MINUTES ?= 10
EVENTS ?= 2000000
WORK ?= /tmp
JOBS ?= $(shell nproc)

.DEFAULT_GOAL := release
.PHONY: release dev asan tsan failpoints demo test test-unit test-integration crash soak sharing sim \
        mutation bench bench-core bench-slides bench-wire bench-micro bench-micro-record bench-peers \
        install clean format format-check help

release dev asan tsan failpoints:
	@scripts/dependencies.sh build
	@mkdir -p build
	@cmake --preset $@ >build/$@.log 2>&1 || { cat build/$@.log; exit 1; }
	@cmake --build --preset $@ -j $(JOBS)

demo: release
	@scripts/dependencies.sh demo
	build/release/freshet demo --seconds $(DEMO_SECONDS) --shards $(SHARDS)

test:
	@scripts/dependencies.sh build demo test
	@scripts/test.sh

test-unit: dev
	@ctest --preset dev -j $(JOBS)

test-integration: release
	@scripts/dependencies.sh demo test
	@/usr/bin/python3 tests/integration/run.py $(ARGS)

crash: release
	@scripts/dependencies.sh demo test
	@cmake --preset failpoints >build/failpoints.log 2>&1 || { cat build/failpoints.log; exit 1; }
	@cmake --build --preset failpoints -j $(JOBS) --target freshet
	@/usr/bin/python3 tests/integration/run.py --filter crash/ --seed $(SEED) $(ARGS)

soak: release
	@scripts/dependencies.sh demo test
	@/usr/bin/python3 tests/integration/soak.py --minutes $(MINUTES) --seed $(SEED) $(ARGS)

sharing: release
	@scripts/dependencies.sh demo test
	@cmake --preset lines >build/lines.log 2>&1 || { cat build/lines.log; exit 1; }
	@cmake --build --preset lines -j $(JOBS) --target freshet
	@/usr/bin/python3 tests/integration/sharing.py $(ARGS)

sim: release
	@build/release/sim --seeds $(SEEDS) --first $(SEED)

mutation:
	@scripts/dependencies.sh build
	@/usr/bin/python3 scripts/mutation.py $(ARGS)

bench: release
	@scripts/dependencies.sh demo test
	@/usr/bin/python3 bench/pipeline.py $(ARGS)

bench-core: release
	@cmake --build --preset release --target bench_core -j $(JOBS) >build/bench-core.log
	@/usr/bin/python3 bench/core.py $(ARGS)

bench-slides: release
	@cmake --build --preset release --target bench_slides -j $(JOBS) >build/bench-slides.log
	@/usr/bin/python3 bench/slides.py $(ARGS)

bench-wire: release
	@cmake --build --preset release --target bench_wire -j $(JOBS) >build/bench-wire.log
	@build/release/tests/bench_wire $(ARGS)

bench-micro bench-micro-record: release
	@scripts/dependencies.sh test
	@cmake --build --preset release --target bench_micro -j $(JOBS) >build/bench-micro.log || \
		{ cat build/bench-micro.log; exit 1; }
	@/usr/bin/python3 bench/micro/micro.py $(if $(findstring record,$@),record,table) $(ARGS)

bench-peers: release
	@scripts/dependencies.sh demo test peers
	@cd bench/peers && mvn -B -q package
	@/usr/bin/python3 bench/peers/run.py --events $(EVENTS) --work $(WORK) $(ARGS)

install: release
	@cmake --install build/release --prefix $(PREFIX)

format:
	@git ls-files '*.c' '*.h' '*.cc' | xargs clang-format-14 -i

format-check:
	@git ls-files '*.c' '*.h' '*.cc' | xargs clang-format-14 --dry-run --Werror

clean:
	@rm -rf build

help:
	@echo 'make                    build build/release/freshet'
	@echo 'make demo               the main job with a broker, a Redis and traffic of its own'
	@echo '                        (DEMO_SECONDS=20 SHARDS=auto)'
	@echo 'make test               every test: unit, sanitizers, fuzz corpus, real Kafka and Redis'
	@echo 'make test-unit          unit tests of a debug build'
	@echo 'make test-integration   real Kafka and Redis (ARGS="--filter random/ --seed 7")'
	@echo 'make crash              kill -9 at every place that has a name, and restart (SEED=1)'
	@echo 'make soak               load while engine, Redis and broker are killed (MINUTES=10 SEED=1'
	@echo '                        ARGS="--partitioning shuffle")'
	@echo 'make sharing            no cache line is written by two shards (ARGS="--example fraud")'
	@echo 'make sim                a simulated Kafka, Redis and clock, under seeds (SEEDS=5000 SEED=first)'
	@echo 'make mutation           do the unit tests catch faults planted in the core?'
	@echo '                        (ARGS="--list", "--only NAME", "--jobs N")'
	@echo 'make bench              the examples on a real broker: events/s, CPU, memory'
	@echo '                        (ARGS="--example fraud --sinks none --events 500000")'
	@echo 'make bench-core         cost per event by stage of the examples, without Kafka (ARGS="--times")'
	@echo 'make bench-slides       cost per event by slides in a window, of one busy key (ARGS="--times")'
	@echo 'make bench-wire         cost per record of Kafka batches: checksum, codecs, parsing (ARGS="4 190")'
	@echo 'make bench-micro        ns, instructions, allocations per operation (ARGS="decode/* --times")'
	@echo 'make bench-micro-record what `make test` compares instructions with: count anew'
	@echo 'make bench-peers        the same work by Flink and Kafka Streams, with a table of ratios'
	@echo '                        (EVENTS=2000000 WORK=/tmp ARGS="--examples fraud --json FILE";'
	@echo '                        EVENTS=0: only compares rows)'
	@echo 'make install PREFIX=    install the program, examples and the systemd unit'
	@echo 'make format clean       what they say'
	@echo 'NO_INSTALL=1            only check that packages are there, install none'
