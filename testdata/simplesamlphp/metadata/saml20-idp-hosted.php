<?php
// The identity provider: persistent names made of uid, everything signed and
// encrypted that can be.
$metadata['__DYNAMIC:1__'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key',
    'certificate' => 'idp.crt',
    'auth' => 'people',
    'SingleSignOnServiceBinding' => [
        'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
        'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
    ],
    'redirect.validate' => true,
    'validate.authnrequest' => true,
    'signature.algorithm' => 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'assertion.encryption' => getenv('IDP_ENCRYPTS') === 'yes',
    'authproc' => [
        3 => ['class' => 'saml:PersistentNameID', 'attribute' => 'uid'],
    ],
];
