"""Concurrent requests use few database connections, because PostgreSQL has 100 for all its clients."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.support.postgresql import make_postgresql_database
from tests.support.server import ApiClient

CALLERS, MOST = 60, 24
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def test_many_concurrent_requests_share_a_few_connections(new_server, mode, postgresql, jobix):
    uri = make_postgresql_database(postgresql)
    server = new_server(database_uri=uri, async_mode=mode, busy_timeout_s="30").start()
    ApiClient(server.url, jobix)("/set", {"1": {}})
    with psycopg.connect(uri, autocommit=True) as other, ThreadPoolExecutor(CALLERS) as pool:
        with other.transaction():
            other.execute("LOCK TABLE job_list, stage_count IN ACCESS EXCLUSIVE MODE")
            futures = [pool.submit(ApiClient(server.url, jobix), "/lifetime") for _ in range(CALLERS)]
            counts = [0]
            while len(counts) < 8 or len(set(counts[-8:])) > 1:  # until the number is stable
                time.sleep(0.1)
                counts += other.execute(OTHERS).fetchone()
        assert 5 < counts[-1] < MOST
        assert [future.result(30).status_code for future in futures] == [200] * CALLERS
