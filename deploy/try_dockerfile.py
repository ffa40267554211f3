"""Run the instructions of the Dockerfile without a container engine, and try what they make.

    sudo python3.11 deploy/try_dockerfile.py
    sudo --preserve-env python3.11 deploy/try_dockerfile.py collect --user-counts 20,40

The second line also runs kpp in what was made, with these arguments, against the cluster that KUBECONFIG and
PROMETHEUS_URL name: `kpp simulate --virtual`, say.

Each stage gets a root of its own: the machine's file system under an overlay in memory, so that every path is
that of the image and nothing of it stays. So it shows that the instructions work, for the user and in the
folders that they name, and that kpp runs without torch. It does not show that `python:3.11-slim` holds the
system libraries that this machine has; kpp's dependencies bring their own.

Needs Linux, root, and the Python whose version the Dockerfile names, with a prefix of its own (not /usr).
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

CONTEXT = Path(__file__).resolve().parents[1]
INSIDE = "TRY_DOCKERFILE_INSIDE"  # set in the namespace of mounts that is made for the run
PASSED_ON = ("PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY")  # pip's way out of here
CLUSTER = ("PROMETHEUS_URL", "CLUSTER_CLOCK_URL", "KPP_")  # and, as a copy, KUBECONFIG
TRIED = (  # arguments of the entry point, and the exit code that is right where there is no cluster
    (("--version",), 0),
    (("collect", "--help"), 0),
    (("collect", "--dry-run"), 4),
)


@dataclass
class Stage:
    """A stage of the build: its root, and what its instructions have set."""

    root: Path
    folder: str = "/"
    user: str = "0:0"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/bin:/usr/bin:/bin"})
    command: dict[str, list[str]] = field(default_factory=dict)  # by ENTRYPOINT and CMD

    def run(self, command: list[str]) -> int:
        """Run a command inside, as the stage's user, in its folder."""
        user, _, group = self.user.partition(":")
        given = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
        inside = (
            f"cd {shlex.quote(self.folder)} && exec setpriv --reuid {user} --regid {group} --clear-groups "
        )
        words = [
            shutil.which("chroot") or "chroot",
            str(self.root),
            "/bin/sh",
            "-c",
            inside + shlex.join(command),
        ]
        return subprocess.run(words, env={**given, **self.environment}, check=False).returncode


def main() -> None:
    """Build, and try."""
    if INSIDE not in os.environ:
        if os.geteuid() != 0:
            sys.exit("run it as root: it mounts file systems")
        os.execvpe(
            "unshare", ["unshare", "--mount", sys.executable, *sys.argv], {**os.environ, INSIDE: "yes"}
        )
    with tempfile.TemporaryDirectory() as name:
        stages: dict[str, Stage] = {}
        stage = None
        try:
            for instruction, rest in instructions((CONTEXT / "Dockerfile").read_text(encoding="utf-8")):
                print(f"--- {instruction} {rest}", flush=True)
                if instruction == "FROM":
                    image, _, alias = rest.partition(" AS ")
                    stage = stages[alias or "last"] = begin(Path(name) / (alias or "last"), image)
                else:
                    assert stage is not None, "a Dockerfile begins with FROM"
                    carry_out(stage, instruction, rest, stages)
            assert stage is not None, "the Dockerfile is empty"
            try_out(stage)
        finally:
            for each in stages.values():
                subprocess.run(["umount", "--recursive", "--lazy", str(each.root.parent)], check=False)
    print("All instructions ran, and the image's command does what it should.")


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile and what follows each, in order."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip() and line[0] != "#"]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def begin(folder: Path, image: str) -> Stage:
    """A root that looks like the machine's and keeps what is written in memory; /usr/local is this Python."""
    version = image.partition(":")[2].partition("-")[0]
    if f"{sys.version_info.major}.{sys.version_info.minor}" != version:
        sys.exit(f"the Dockerfile is based on {image}: run this with Python {version}")
    folder.mkdir()
    mount("-t", "tmpfs", "none", str(folder))
    upper, work, root = (folder / part for part in ("upper", "work", "root"))
    for each in (upper, work, root):
        each.mkdir()
    mount("-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", str(root))
    for outside, within in (("/proc", "proc"), ("/dev", "dev"), (sys.base_prefix, "usr/local")):
        mount("--rbind", outside, str(root / within))
    for above in Path(sys.base_prefix).parents[
        :-1
    ]:  # its libraries are found by their true path, by any user
        shown = root / above.relative_to("/")
        shown.chmod(shown.stat().st_mode | 0o055)
    return Stage(root)


def carry_out(stage: Stage, instruction: str, rest: str, stages: dict[str, Stage]) -> None:
    """Do what an instruction says."""
    match instruction:
        case "RUN":
            if code := stage.run(["/bin/sh", "-c", rest]):
                sys.exit(f"exit code {code} of: {rest}")
        case "COPY":
            copy(stage, rest.split(), stages)
        case "WORKDIR":
            stage.folder = rest
            inside(stage, rest).mkdir(parents=True, exist_ok=True)
        case "ENV":
            stage.environment |= dict(word.split("=", 1) for word in shlex.split(rest))
        case "USER":
            stage.user = rest
        case "ENTRYPOINT" | "CMD":
            stage.command[instruction] = json.loads(rest)
        case _:
            sys.exit(f"{instruction} is not known here")


def copy(stage: Stage, words: list[str], stages: dict[str, Stage]) -> None:
    """Copy from the folder of the Dockerfile, or from another stage."""
    source = CONTEXT
    if words[0].startswith("--from="):
        source = stages[words.pop(0).removeprefix("--from=")].root
    *names, target = words
    for name in names:
        found, goal = source / name.lstrip("/"), inside(stage, target)
        if found.is_dir():
            shutil.copytree(
                found, goal, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(found, goal)


def inside(stage: Stage, path: str) -> Path:
    """A path of the stage, as the machine sees it."""
    return stage.root / os.path.normpath(f"{stage.folder}/{path}" if path[0] != "/" else path).lstrip("/")


def try_out(stage: Stage) -> None:
    """Run what the image is for, where there is neither cluster nor Prometheus."""
    python = inside(stage, "/opt/kpp/bin/python")
    assert python.is_symlink(), "kpp is installed in /opt/kpp"
    code = "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, ('torch', 'numba', 'sklearn'))))"
    checks = [
        (["/opt/kpp/bin/python", "-c", code], 0),
        (["/bin/sh", "-c", "test $(id -u) = 10001 && touch /data/written && ! touch /opt/kpp/written"], 0),
        *(([*stage.command["ENTRYPOINT"], *words], wanted) for words, wanted in TRIED),
        ([*stage.command["ENTRYPOINT"], *stage.command["CMD"]], 4),
    ]
    for command, wanted in checks:
        print(f"--- try {shlex.join(command)}", flush=True)
        if (code_found := stage.run(command)) != wanted:
            sys.exit(f"exit code {code_found} instead of {wanted}")
    subprocess.run(["du", "-sh", str(python.parents[1])], check=True)
    if len(sys.argv) > 1:
        run_against_cluster(stage, sys.argv[1:])


def run_against_cluster(stage: Stage, arguments: list[str]) -> None:
    """Run kpp as the image would, with the cluster that the environment names."""
    given = {name: value for name, value in os.environ.items() if name.startswith(CLUSTER)}
    stage.environment |= given | {"KUBECONFIG": "/tmp/kubeconfig"}
    copied = inside(stage, "/tmp/kubeconfig")
    shutil.copy(os.environ["KUBECONFIG"], copied)
    copied.chmod(0o444)
    command = [*stage.command["ENTRYPOINT"], *arguments]
    print(f"--- run {shlex.join(command)}", flush=True)
    if code := stage.run(command):
        sys.exit(f"exit code {code} instead of 0")


def mount(*arguments: str) -> None:
    """Mount, or end with what mount says."""
    if subprocess.run(["mount", *arguments], check=False).returncode:
        sys.exit("this machine does not allow overlays: try another one")


if __name__ == "__main__":
    main()
