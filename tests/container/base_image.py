"""
A stand-in for debian:SUITE-slim, made with debootstrap from the machine's own package mirror: images are built and
tested without a registry.

It holds what the original holds and nothing else, so that a template that forgets a package fails here, too. Only
what this machine needs to reach its mirror is added: apt's sources, its settings for proxies and checks, and
certificate authorities that the machine was given.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

IMAGE = "bandog-test-base:latest"
LABEL = "bandog.test"
AUTHORITIES = Path("/usr/local/share/ca-certificates")
BUNDLE = "etc/host-authorities.pem"
SBIN = "/usr/sbin:/sbin"

# What makes Debian's images slim: no documentation, no translations, no archives of packages.
DOCUMENTS = ["usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man"]
LEFT_OUT = [*DOCUMENTS, "var/cache/apt", "var/lib/apt/lists", "var/log"]
DPKG = "".join(f"path-exclude /{folder}/*\n" for folder in DOCUMENTS) + "force-unsafe-io\n"
APT = """\
APT::Install-Recommends "false";
Acquire::Languages "none";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
"""
NO_SERVICES = "#!/bin/sh\nexit 101\n"

# Settings of apt without which the mirror may not be reached or not be believed.
APT_NEEDED = re.compile(r'^Acquire::(?:https?|Check-[\w-]+|Retries)\b(?!::User-Agent).* "[^"]+";$', re.M)


class NoBaseImage(Exception):
    """Why there is none, in words."""


def cache_folder():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bandog"


def host_suite():
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(encoding="utf-8"), re.M))
    if release.get("ID") != "debian" or "VERSION_CODENAME" not in release:
        raise NoBaseImage("the base image is made on Debian only")
    return release["VERSION_CODENAME"]


def provide(engine):
    """Gives `engine` the image; the archive it is made from is made once and kept."""
    suite = os.environ.get("CONTAINER_SUITE") or host_suite()
    machine = Machine(suite)
    archive = cache_folder() / f"container-base-{suite}-{machine.digest()}.tar.gz"
    if not archive.exists():
        make(suite, machine, archive)
        for other in archive.parent.glob(f"container-base-{suite}-*"):
            if other != archive:
                other.unlink(missing_ok=True)
    # Node.js asks no certificate store of the system for authorities.
    extra = ["--change", f"ENV NODE_EXTRA_CA_CERTS=/{BUNDLE}"] if machine.authorities else []
    engine.run("import", "--change", 'CMD ["bash"]', "--change", f"LABEL {LABEL}=1", *extra, str(archive), IMAGE)


class Machine:
    """What this machine needs to reach its mirror."""

    def __init__(self, suite):
        self.sources = apt_sources(suite)
        self.settings = APT_NEEDED.findall(host_apt("apt-config", "dump"))
        self.authorities = {path.name: path.read_bytes() for path in sorted(AUTHORITIES.glob("*.crt"))}

    def digest(self):
        """Changes with whatever goes into the image, but for the packages."""
        everything = repr((self.sources, self.settings, self.authorities)).encode()
        return hashlib.sha256(everything + Path(__file__).read_bytes()).hexdigest()[:12]


def make(suite, machine, archive):
    path = f"{os.environ['PATH']}:{SBIN}"
    if not shutil.which("debootstrap", path=path):
        raise NoBaseImage("debootstrap is not there to make a base image")
    if os.geteuid() != 0:
        raise NoBaseImage("only root can make a base image")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="base-", dir=archive.parent) as folder:
        root = Path(folder) / "root"
        # A namespace of its own: what it mounts vanishes with it.
        command = ["unshare", "--mount", "--propagation", "private", "--", "debootstrap", "--variant=minbase"]
        done = subprocess.run(
            [*command, suite, str(root), machine.sources[0][0]],
            env=dict(os.environ, PATH=path, TMPDIR=folder),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        if done.returncode:
            raise NoBaseImage(f"debootstrap fails: {done.stdout.strip().splitlines()[-1:]}")
        slim(root)
        adapt(root, machine)
        # Whole or not at all, also when two do it.
        with tarfile.open(Path(folder) / "archive", "w:gz", compresslevel=1) as tar:
            tar.add(root, arcname=".")
        os.replace(Path(folder) / "archive", archive)


def slim(root):
    for name in LEFT_OUT:
        shutil.rmtree(root / name)
        (root / name).mkdir()
    write(root / "etc/dpkg/dpkg.cfg.d/slim", DPKG)
    write(root / "etc/apt/apt.conf.d/slim", APT)
    write(root / "usr/sbin/policy-rc.d", NO_SERVICES, 0o755)


def adapt(root, machine):
    write(root / "etc/apt/sources.list", "".join(f"deb {uri} {release} main\n" for uri, release in machine.sources))
    write(root / "etc/apt/apt.conf.d/host", "".join(f"{line}\n" for line in machine.settings))
    if machine.authorities:
        folder = root / AUTHORITIES.relative_to("/")
        folder.mkdir(parents=True)
        for name, certificate in machine.authorities.items():
            (folder / name).write_bytes(certificate)
        (root / BUNDLE).write_bytes(b"\n".join(machine.authorities.values()))


def write(path, text, mode=0o644):
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def apt_sources(suite):
    """(URI, release) for a suite and its updates, from where the machine gets its own; the suite itself first."""
    host = host_suite()
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    listing = host_apt("apt-get", "indextargets", "--format", form, "Created-By: Packages")
    found = {}
    for line in listing.splitlines():
        uri, release, component = line.split(" ")
        if component == "main" and not uri.startswith("file:"):
            found.setdefault(release, uri)
    if host not in found:
        raise NoBaseImage(f"apt has no source for {host}")
    return [(found[host + of], suite + of) for of in ("", "-updates", "-security") if host + of in found]


def host_apt(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoBaseImage(f"{command[0]} does not answer: {error}") from None
