-- Each redemption is an ending, with how many the link has left, and not the last one alone: a backup
-- gives none of them back.
DROP TRIGGER note_ending ON share_links;
CREATE TRIGGER note_ending AFTER UPDATE OF redemptions_left ON share_links FOR EACH ROW
    WHEN (NEW.redemptions_left < OLD.redemptions_left)
    EXECUTE FUNCTION note_ending('link', 'id', 'creator_id', 'redemptions_left');
