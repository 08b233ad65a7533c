"""Devices that are registered twice: at once, for two people, in other letters, or while their contact is erased."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.people import new_account, save, until_waiting

from clarion.adapters.postgres.database import PostgresDatabase, PostgresTransaction
from clarion.application import contacts, devices, suppressions
from clarion.application.devices import DeviceDraft
from clarion.domain.channel import ChannelName
from clarion.domain.device import Device, Platform
from clarion.domain.errors import NotFound
from clarion.domain.ids import Id
from clarion.domain.suppression import SuppressionReason

TOKEN = DeviceDraft(platform=Platform.ANDROID, app="shop", token="f" * 140)


async def register(tx: PostgresTransaction, account_id: Id, contact_id: Id) -> tuple[Device, bool]:
    """Registers the one token there is."""
    return await devices.register_device(tx, account_id=account_id, contact_id=contact_id, draft=TOKEN)


async def test_a_token_is_one_device_of_one_person_whoever_registers_it_meanwhile(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ann, bob, cat = [await save(database, account_id, email=f"{name}@x.example") for name in ("ann", "bob", "cat")]

    async def registered_for(contact_id: Id) -> tuple[Device, bool]:
        async with database.transaction() as tx:
            return await register(tx, account_id, contact_id)

    twice = await asyncio.gather(*(registered_for(ann.id) for _ in range(4)))
    assert sorted(is_new for _, is_new in twice) == [False, False, False, True]
    assert len({device.id for device, _ in twice}) == 1

    async with database.transaction() as tx:
        await register(tx, account_id, bob.id)
        for_cat = asyncio.create_task(registered_for(cat.id))
        await until_waiting(database, for_cat)
    device, is_new = await for_cat
    assert (device.id, device.contact_id, is_new) == (twice[0][0].id, cat.id, False)

    async with database.transaction() as tx:
        await contacts.delete_contact(tx, account_id=account_id, contact_id=cat.id)
        too_late = asyncio.create_task(registered_for(cat.id))
        await until_waiting(database, too_late)
    with pytest.raises(NotFound):
        await too_late
    async with database.reading() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM device") == 0


async def test_a_token_of_apns_is_one_however_its_digits_are_written(database: PostgresDatabase) -> None:
    account_id = await new_account(database)
    ann = await save(database, account_id, email="ann@x.example")
    async with database.transaction() as tx:
        made = [
            await devices.register_device(
                tx,
                account_id=account_id,
                contact_id=ann.id,
                draft=DeviceDraft(platform=Platform.IOS, app="shop", token=token),
            )
            for token in ("AB" * 32, "ab" * 32)
        ]
        assert [(device.token, is_new) for device, is_new in made] == [("ab" * 32, True), ("ab" * 32, False)]
        await suppressions.suppress(
            tx, account_id=account_id, channel=ChannelName.PUSH, address="Ab" * 32, reason=SuppressionReason.MANUAL
        )
        listed = await suppressions.list_suppressions(tx, account_id=account_id, after=None, limit=10)
    assert [one.address_key for one in listed] == ["ab" * 32]
