<?php
// The service provider, by the metadata that it serves.
foreach (\SimpleSAML\Metadata\SAMLParser::parseDescriptorsFile(getenv('SP_METADATA')) as $id => $entity) {
    $metadata[$id] = $entity->getMetadata20SP();
    $metadata[$id]['validate.authnrequest'] = true;
    $metadata[$id]['saml20.sign.response'] = true;
    $metadata[$id]['saml20.sign.assertion'] = true;
}
