"""TLS, with a certificate of a private authority."""

from __future__ import annotations

import ssl
import subprocess

import pytest

from client import JobClient, UntrustedServer
from tests.client.lossy_proxy import LossyProxy


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Paths of a self-signed certificate for 127.0.0.1, and of its key."""
    folder = tmp_path_factory.mktemp("tls")
    arguments = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    arguments += " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out ca.pem"
    subprocess.run(arguments.split(), cwd=folder, check=True, capture_output=True)
    return str(folder / "ca.pem"), str(folder / "key.pem")


@pytest.fixture
def tls_proxy(url, certificate):
    """The server behind HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with LossyProxy(url, context) as proxy:
        yield proxy


def test_an_untrusted_certificate_is_refused_before_the_key_is_sent(tls_proxy, jobix):
    with pytest.raises(UntrustedServer, match="CA file"):
        JobClient(tls_proxy.url, jobix).get(0)
    assert tls_proxy.requests == []


def test_with_its_authority_as_ca_file_a_server_is_trusted(tls_proxy, jobix, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    client = JobClient(tls_proxy.url, jobix, ca_file=certificate[0])
    client.set({1: {}})
    tls_proxy.lose_response("/get/0")
    assert client.get(0).jobid == 1


def test_a_name_that_is_not_in_the_certificate_is_refused(tls_proxy, jobix, certificate):
    with pytest.raises(UntrustedServer):
        JobClient(tls_proxy.url.replace("127.0.0.1", "localhost"), jobix, ca_file=certificate[0]).get(0)


def test_https_to_a_server_without_tls_is_an_error_at_once(url, jobix):
    with pytest.raises(UntrustedServer, match="does not use TLS: should the URL begin with http://"):
        JobClient(url.replace("http:", "https:"), jobix).get(0)
