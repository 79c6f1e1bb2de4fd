"""The workshop: builds everything in `addon_assets` from `../shared/data`. Never imported by the add-on."""
