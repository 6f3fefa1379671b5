"""`strongroom keys`, beside a server that goes on serving."""

from __future__ import annotations

from tests.integration.running.people import signed_up
from tests.integration.running.program import Program, command


async def test_keys_are_rotated_beside_a_running_server(own: Program) -> None:
    await own.running()
    settings = {"data_dir": own.data_dir}

    async def keys(*arguments: str) -> str:
        status, said, _ = await command("keys", *arguments, directory=own.data_dir, **settings)
        assert status == 0, said
        return said

    async with signed_up(own, "Asha") as asha:
        document = await asha.upload("Rotated and rotated again.")
        for rotated in (("--subject", asha.email), ("--tenant", "default"), ("--root",)):
            assert "version 2 is active" in await keys("rotate", *rotated)
            content = await asha.http.get(f"/v1/documents/{document['id']}/content")
            assert content.text == "Rotated and rotated again."
        told = (await keys("status")).splitlines()
        assert "root key, version 1: only unwraps, wraps 0" in told
        assert "root key, version 2: active, wraps 1" in told
        assert "tenant key, version 2: active, wraps 1" in told
        assert (await asha.upload("And written to."))["state"] == "received"
        assert "strongroom_chores_keys_rewrapped" in (await asha.http.get("/metrics")).text


async def test_what_is_not_there_is_not_rotated(own: Program) -> None:
    await own.running()
    for arguments, said in [
        (("--subject", "nobody@example.org"), "Nobody has an account"),
        (("--tenant", "elsewhere"), "no tenant of this name"),
        ((), "Say which"),
        (("--root", "--tenant", "default"), "Say which"),
    ]:
        rotate = ("keys", "rotate", *arguments)
        status, told, _ = await command(*rotate, directory=own.data_dir, data_dir=own.data_dir)
        assert status != 0
        assert said in told
