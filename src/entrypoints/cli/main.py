"""The command `strongroom`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from entrypoints.names import assert_import_names_are_ours
from entrypoints.settings import (
    SettingsError,
    forbid_reports_home,
    load_settings,
)

assert_import_names_are_ours()
forbid_reports_home()

import rich_click as click  # noqa: E402 - only once the names above are known to be ours

from adapters.encryption.keyring_faults import KeyringUnusable  # noqa: E402
from adapters.postgres.embedded import DatabaseDidNotStart, DataDirectoryInUse  # noqa: E402
from adapters.postgres.guard import DatabaseNotIsolating  # noqa: E402
from adapters.vault_transit.faults import VaultUnusable  # noqa: E402
from application.audit.endings import FenceClosed, JournalDamaged  # noqa: E402
from domain.chat.model_choice import ModelTask  # noqa: E402
from domain.errors import Refusal  # noqa: E402
from domain.identity import LawfulBasis, Role  # noqa: E402
from entrypoints.cli.evaluation.failure import EvaluationNotPossible  # noqa: E402

_SAID_PLAINLY = (
    SettingsError,
    DataDirectoryInUse,
    DatabaseDidNotStart,
    DatabaseNotIsolating,
    FenceClosed,
    JournalDamaged,
    KeyringUnusable,
    VaultUnusable,
    EvaluationNotPossible,
    Refusal,
)


def main() -> None:
    """Run the command line; what was anticipated is said in one line, without a stack trace."""
    try:
        cli(standalone_mode=True)
    except _SAID_PLAINLY as said:
        click.echo(f"strongroom: {said}", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="strongroom", prog_name="strongroom")
def cli() -> None:
    """Chat with and search over private data, gated by consent and proven afterwards.

    Settings come from STRONGROOM_... variables and from strongroom.toml.
    """


@cli.command()
def serve() -> None:
    """Start everything, and serve until Ctrl-C."""
    from entrypoints.cli.serve import serve as run

    _run(run(load_settings()))


@cli.command()
def worker() -> None:
    """Work on jobs until Ctrl-C, beside one or more `serve` processes on one database."""
    from entrypoints.cli.work import work as run

    _run(run(load_settings()))


@cli.command()
@click.option("--check", is_flag=True, help="Check that migrations and table definitions agree.")
def migrate(check: bool) -> None:
    """Bring roles and schema up to date; safe when several start at once."""
    from entrypoints.cli.database import check_migrations, run_migrations

    _run(check_migrations() if check else run_migrations(load_settings()))


@cli.command()
@click.option("--fast", is_flag=True, help="Do not pause for a human reader.")
def demo(fast: bool) -> None:
    """Play the story of the product on real documents, against a fresh instance."""
    from entrypoints.cli.demo import play

    sys.exit(_run(play(fast=fast)))


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def verify(arguments: tuple[str, ...]) -> None:
    """Verify what a log claims, trusting nothing but its key; `verify --help` says how."""
    from entrypoints.verifier.command import main as run

    sys.exit(run(list(arguments)))


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def witness(arguments: tuple[str, ...]) -> None:
    """Watch a log, and cosign what continues it; `witness --help` says how."""
    from entrypoints.verifier.witness import main as run

    sys.exit(run(list(arguments)))


@cli.command()
def doctor() -> None:
    """Attack this deployment, beside its server or without one, and tell what was measured.

    Isolation of tenants, keys without a release, a log that fails and one that hangs, twenty who
    race for one use, a withdrawal from what is being shown. All in tenants of its own (doctor-1,
    doctor-2), whose people and documents are erased in the end. Exit status 1 where something did
    not hold.
    """
    from entrypoints.cli.doctor.command import examine

    sys.exit(_run(examine(load_settings())))


_COLLECTION = click.Path(exists=True, file_okay=False, path_type=Path)


@cli.group("eval")
def evaluation() -> None:
    """Measure how good it is, on collections of your own or public ones."""


@evaluation.command("retrieval")
@click.argument("directory", type=_COLLECTION)
@click.option("--url", help="A running server; without it, a fresh one is started for this.")
@click.option(
    "--mode",
    "modes",
    multiple=True,
    type=click.Choice(["hybrid", "keyword", "vector"]),
    help="How to search; may be repeated. By default each in turn.",
)
@click.option(
    "--aggregate",
    type=click.Choice(["documents", "passages"]),
    default="documents",
    show_default=True,
    help="Ask for documents; or for passages, the best of which is its document's score.",
)
@click.option(
    "--limit", type=click.IntRange(1, 100), help="How many to ask for; the most if left out."
)
def eval_retrieval(
    directory: Path, url: str | None, modes: tuple[str, ...], aggregate: str, limit: int | None
) -> None:
    """Search a collection in BEIR layout through the public API, and compare with last time.

    DIRECTORY has corpus.jsonl, queries.jsonl and qrels.tsv or qrels/test.tsv. The documents are
    handed in by a new account, which is erased afterwards. The report and its plot are kept in
    the data directory, under evaluations.
    """
    from entrypoints.cli.evaluation.retrieval import MODES, evaluate

    chosen = tuple(dict.fromkeys(modes)) or tuple(MODES)
    settings = load_settings()
    _run(evaluate(settings, directory, url=url, modes=chosen, aggregate=aggregate, limit=limit))


@evaluation.command("weights")
@click.argument("directories", nargs=-1, required=True, type=_COLLECTION)
@click.option("--test", "tests", multiple=True, type=_COLLECTION, help="To test on alone.")
@click.option("--url", help="A running server; without it, a fresh one is started for this.")
def eval_weights(directories: tuple[Path, ...], tests: tuple[Path, ...], url: str | None) -> None:
    """Learn from collections in BEIR layout how much meaning should count beside words.

    Half of the queries of DIRECTORIES are learned from. What comes of it is tested on the others,
    and on collections that nothing was learned from (--test).
    """
    from entrypoints.cli.evaluation.weights import learn_weights

    _run(learn_weights(load_settings(), directories, tests=tests, url=url))


@evaluation.command("chat")
@click.argument("questions", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--url", help="A running server; without it, a fresh one is started for this.")
def eval_chat(questions: Path | None, url: str | None) -> None:
    """Ask a set of questions through the public API, and compare with last time.

    QUESTIONS is a file of JSON lines, or a directory of such files: documents, and questions with
    the sources and facts that a good answer has; without it a small set that comes along is asked.
    The documents are handed in by a new account, which is erased afterwards. The report and its
    plot are kept in the data directory, under evaluations. The form of a line:

    \b
    {"document": "lease", "title": "The lease", "text": "The rent is 900 euros. ..."}
    {"question": "How much is the rent?", "sources": ["lease"], "facts": ["900 euros"]}
    {"question": "To be refused: it has no sources"}
    """
    from entrypoints.cli.evaluation.chat import evaluate
    from entrypoints.cli.evaluation.chat_questions import BUILT_IN

    _run(evaluate(load_settings(), questions or BUILT_IN, url=url))


@cli.group()
def tenant() -> None:
    """Tenants are isolated spaces."""


@tenant.command("create")
@click.argument("name")
@click.option("--open", "sign_up_open", is_flag=True, help="Anyone may sign up to it.")
def tenant_create(name: str, sign_up_open: bool) -> None:
    """Make a tenant, or show the one that has this name."""
    from entrypoints.cli.database import create_named_tenant

    click.echo(_run(create_named_tenant(load_settings(), name, sign_up_open=sign_up_open)))


@tenant.command("models")
@click.argument("name")
@click.argument("models", nargs=-1)
@click.option("--task", type=click.Choice([each.value for each in ModelTask]), default="answer")
@click.option("--none", "quoting", is_flag=True, help="No model: passages are quoted.")
@click.option("--all", "unchosen", is_flag=True, help="Those of the settings again.")
def tenant_models(
    name: str, models: tuple[str, ...], task: str, quoting: bool, unchosen: bool
) -> None:
    """Choose the MODELS of a tenant, in the order in which they are tried; or show them.

    Quoting comes after the last of them. Servers that run follow from the next answer on.
    """
    from entrypoints.cli.model_chain import choose, show

    if bool(models) + quoting + unchosen > 1:
        raise click.UsageError("Say either MODELS, or --none, or --all.")
    if models or quoting or unchosen:
        chosen = None if unchosen else models
        click.echo(_run(choose(load_settings(), name, ModelTask(task), chosen)))
    else:
        click.echo(_run(show(load_settings(), name, ModelTask(task))))


@tenant.command("withdrawal-policy")
@click.argument("name")
@click.option("--hide", is_flag=True, help="Hide them; the default of every tenant.")
@click.option(
    "--keep-on",
    type=click.Choice([each.value for each in LawfulBasis]),
    help="Keep them for whoever was answered, on this basis of Article 6(1) of the GDPR.",
)
@click.option("--reference", help="Where that is written down, in up to 200 characters.")
def tenant_withdrawal_policy(
    name: str, hide: bool, keep_on: str | None, reference: str | None
) -> None:
    """Say what becomes of finished answers when a consent is withdrawn, or show it.

    It holds for withdrawals from now on. Erasure hides answers whatever the policy.
    """
    from domain.consent.withdrawal_policy import AnswersThen, WithdrawalPolicy
    from entrypoints.cli.withdrawal_policy import withdrawal_policy

    if hide and keep_on:
        raise click.UsageError("--hide and --keep-on exclude each other.")
    wanted = None
    if hide or keep_on or reference:
        answers = AnswersThen.HIDE if hide else AnswersThen.KEEP
        basis = None if keep_on is None else LawfulBasis(keep_on)
        wanted = WithdrawalPolicy.of(answers, basis, reference)
    click.echo(_run(withdrawal_policy(load_settings(), name, wanted)))


@cli.group()
def role() -> None:
    """Roles that people have in a tenant."""


@role.command("set")
@click.argument("email")
@click.argument("new_role", metavar="ROLE", type=click.Choice([each.value for each in Role]))
@click.option("--tenant", "tenant_name", default="default", show_default=True)
def role_set(email: str, new_role: str, tenant_name: str) -> None:
    """Give a person the role of member, auditor or admin."""
    from entrypoints.cli.database import set_role

    settings = load_settings()
    person = _run(set_role(settings, tenant_name, email, Role(new_role)))
    click.echo(f"{person.email} is now {person.role} in {tenant_name}.")


@cli.group()
def keys() -> None:
    """The keys that wrap other keys: give them new versions, and see how far that has come."""


@keys.command("rotate")
@click.option("--root", is_flag=True, help="The root key, which wraps every tenant's.")
@click.option("--tenant", "tenant_name", help="The key of this tenant, which wraps its people's.")
@click.option("--subject", "email", help="The key of this person, in --tenant (or in default).")
def keys_rotate(root: bool, tenant_name: str | None, email: str | None) -> None:
    """Make a new version of one key, and rewrap what lies under the old one.

    A server that runs goes on serving. Whatever is left is rewrapped by it, also after this command
    was ended; an old version is destroyed when nothing is left under it. A backup of the database
    from before the root key was rotated can then only be read with a keyring from before it.
    """
    from entrypoints.cli.keys import rotate

    if root == (tenant_name is not None or email is not None):
        raise click.UsageError("Say which: --root, or --tenant NAME, or --subject EMAIL.")
    _run(rotate(load_settings(), tenant_name=tenant_name, email=email, root=root))


@keys.command("status")
@click.option("--tenant", "tenant_name", default="default", show_default=True)
def keys_status(tenant_name: str) -> None:
    """The versions of the root key, of a tenant's, and of its people's that are being rotated."""
    from entrypoints.cli.keys import status

    for line in _run(status(load_settings(), tenant_name)):
        click.echo(line)


@cli.group()
def reembed() -> None:
    """Moving to another embedding model, which servers do by themselves while they serve."""


@reembed.command("status")
@click.option("--tenant", "tenant_name", default="default", show_default=True)
def reembed_status(tenant_name: str) -> None:
    """The embedding models of a tenant, and how many of its documents have vectors of each."""
    from entrypoints.cli.reembed import status

    for line in _run(status(load_settings(), tenant_name)):
        click.echo(line)


@reembed.command("start")
@click.option("--tenant", "tenant_name", default="default", show_default=True)
def reembed_start(tenant_name: str) -> None:
    """Move a tenant to the embedder of the settings, also where it has served before.

    Servers begin with a model that is new to a tenant by themselves. They never go back to one that
    it moved away from: of two with different settings, each would undo what the other did.
    """
    from entrypoints.cli.reembed import start

    click.echo(_run(start(load_settings(), tenant_name)))


@cli.group()
def restore() -> None:
    """What to do after the database was restored from a backup."""


@restore.command("status")
def restore_status() -> None:
    """What ended since the backup was made. Exit status 1 where something did."""
    from entrypoints.cli.restore import status

    lines, is_open = _run(status(load_settings()))
    for line in lines:
        click.echo(line)
    sys.exit(0 if is_open else 1)


@restore.command("replay")
@click.option(
    "--accept-lost-entries",
    is_flag=True,
    help="The log goes on although entries that others may have seen are lost; the log says so.",
)
def restore_replay(accept_lost_entries: bool) -> None:
    """Erase, withdraw and revoke again what was before, and end every session.

    Safe to repeat, and beside a server that waits for it: it serves as soon as nothing is missing.
    """
    from entrypoints.cli.restore import replay

    for line in _run(replay(load_settings(), accept_lost_entries=accept_lost_entries)):
        click.echo(line)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """On uvloop where there is one: a fifth of the time of a small request is the loop's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    main()
